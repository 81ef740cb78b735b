"""What became of each dead letter, which partitions stand still, and when each timer was set."""

from alembic import op

from shared.persistence.migrations import add_dead_letter_states

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_dead_letter_states(op)
    # When the timer was last set, in the database's time: it is decided once everything published until then is read.
    op.execute("ALTER TABLE timers ADD COLUMN set_at timestamptz NOT NULL DEFAULT now()")
