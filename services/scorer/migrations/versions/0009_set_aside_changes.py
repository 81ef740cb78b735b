"""A change of the day counts that cannot be folded is set aside: it has no transaction, so no fold finds it."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE day_changes ALTER COLUMN transaction DROP NOT NULL")
