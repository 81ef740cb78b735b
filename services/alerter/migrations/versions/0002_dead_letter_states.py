"""What became of each dead letter, and which partitions stand still."""

from alembic import op

from shared.persistence.migrations import add_dead_letter_states

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_dead_letter_states(op)
