"""Events that cannot be published are set aside, so that the others can be."""

from alembic import op

from shared.persistence.migrations import create_outbox_set_aside

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_outbox_set_aside(op)
