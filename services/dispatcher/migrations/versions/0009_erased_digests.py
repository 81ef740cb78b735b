"""What stays of erased customers when everything else about them is deleted: that they, and which orders, were."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # HMAC-SHA256 each.
    for table, digest in (("erased_customers", "customer_digest"), ("erased_orders", "order_digest")):
        op.execute(f"CREATE TABLE {table} ({digest} bytea PRIMARY KEY, erased_at timestamptz NOT NULL)")
