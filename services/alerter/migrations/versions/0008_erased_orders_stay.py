"""Which orders were erased is not forgotten any more, so nobody looks for the oldest of them."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX erased_orders_by_age")
