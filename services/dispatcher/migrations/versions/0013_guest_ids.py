"""By which ids of guests those who placed an order can be erased; ids that are many people's are published."""

from alembic import op

from shared.persistence.migrations import allow_records_without_value

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # Null for orders of the release before, until their next event that names an address.
    op.execute("ALTER TABLE orders ADD COLUMN guest_ids text[]")
    op.execute("CREATE INDEX orders_of_guest ON orders USING gin (guest_ids)")
    allow_records_without_value(op)
    # Those that turned out before there was a topic for them.
    op.execute(
        """
        INSERT INTO outbox (topic, key, headers, value)
        SELECT 'customers.shared', convert_to(customer_id, 'UTF8'),
               json_build_array(
                   json_build_array('ce_specversion', '1.0'),
                   json_build_array('ce_id', md5('customer.shared ' || customer_id)::uuid::text),
                   json_build_array('ce_source', '/hearback/dispatcher'),
                   json_build_array('ce_type', 'customer.shared'),
                   json_build_array('content-type', 'application/json')
               )::text,
               convert_to(json_build_object('customer_id', customer_id, 'found_at', now())::text, 'UTF8')
        FROM customers WHERE several_people
        """
    )
