"""Guests are found by their orders: they have no id that anybody outside knows."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX sends_to_guests ON sends (order_id) WHERE customer_id LIKE 'guest-%'")
    # Beside `answers_about_order`, which has those that name no customer.
    op.execute(
        "CREATE INDEX answers_of_order ON answers ((body->>'order_id')) "
        "WHERE customer_id IS NOT NULL AND body->>'order_id' IS NOT NULL"
    )
