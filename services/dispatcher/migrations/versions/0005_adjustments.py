"""Decisions tell what of an order event was not read as it was sent."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("ALTER TABLE decisions ADD COLUMN adjustments jsonb")
