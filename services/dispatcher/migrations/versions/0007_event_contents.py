"""Decisions know what their event said, to tell a duplicate from another event with its id."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE decisions ADD COLUMN content uuid")
