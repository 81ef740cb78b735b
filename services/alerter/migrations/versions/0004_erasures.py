"""Erased customers and orders as keyed digests, and when each order began.

``customers.erased_at`` and the plain key of an erased customer remain until the retention loop, which knows the secret,
has replaced them (``loops/retention.py``); processes of the release before still write them.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE erasures (customer_digest bytea PRIMARY KEY, erased_at timestamptz NOT NULL)")
    op.execute("CREATE TABLE erased_orders (order_digest bytea PRIMARY KEY, erased_at timestamptz NOT NULL)")
    op.execute("CREATE INDEX erased_orders_by_age ON erased_orders (erased_at)")
    # Nullable, because processes of the release before do not write it; null counts as told_at.
    op.execute("ALTER TABLE customer_orders ADD COLUMN began_at timestamptz")
    op.execute(
        """
        UPDATE customer_orders SET began_at = LEAST(
            (SELECT min(at::timestamptz) FROM jsonb_each_text(document -> 'happened') AS happened (status, at)),
            (SELECT min(at::timestamptz) FROM jsonb_each_text(document -> 'parcels') AS parcels (parcel, at)),
            (document -> 'description' ->> 'at')::timestamptz)
        """
    )
    # What the retention loop looks for: rows that hold nothing, and those to be replaced by a digest.
    op.execute(
        "CREATE INDEX customers_empty ON customers (customer_key) WHERE document IS NULL OR erased_at IS NOT NULL"
    )
