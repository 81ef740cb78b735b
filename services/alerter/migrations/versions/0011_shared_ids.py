"""Customer ids that are many people's, and by which guest ids those who placed an order can be erased."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Keyed digests: an id may have been a person's own, with many addresses.
    op.execute("CREATE TABLE shared_ids (customer_digest bytea PRIMARY KEY)")
    # Keys of the ids of whoever placed it, the first being the one under which they are told apart from others
    # (shared/guests.py). Null for orders of the release before, until their next event.
    op.execute("ALTER TABLE customer_orders ADD COLUMN guest_keys uuid[]")
    op.execute("CREATE INDEX customer_orders_of_guest ON customer_orders USING gin (guest_keys)")
    op.execute("CREATE INDEX cases_of_order ON cases (order_id) WHERE order_id IS NOT NULL")
