"""Bounces and complaints, too, may arrive before the survey they are about."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE early_wishes DROP CONSTRAINT early_wishes_wish_check")
    op.execute(
        """
        ALTER TABLE early_wishes ADD CONSTRAINT early_wishes_wish_check
        CHECK (wish IN ('unsubscribe', 'resubscribe', 'bounce', 'complain'))
        """
    )
