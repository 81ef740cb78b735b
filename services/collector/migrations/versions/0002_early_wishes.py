"""Pending preferences: changes about surveys that have not been consumed yet."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The latest change of each send. No personal data: only the send identifies the customer.
    op.execute(
        """
        CREATE TABLE early_wishes (
            send_id   text        PRIMARY KEY,
            wish      text        NOT NULL CHECK (wish IN ('unsubscribe', 'resubscribe')),
            wished_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX early_wishes_by_age ON early_wishes (wished_at)")
