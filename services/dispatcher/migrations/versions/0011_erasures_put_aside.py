"""An erasure that meets data nobody can read waits, so that the others go on."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # retry_at: when it is tried again, after so many tries in vain; null is at once.
    op.execute(
        """
        ALTER TABLE erasures
            ADD COLUMN tries    integer     NOT NULL DEFAULT 0,
            ADD COLUMN retry_at timestamptz
        """
    )
