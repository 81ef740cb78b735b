"""Customer ids that turned out to be many people's, as keyed digests."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE shared_ids (customer_digest bytea PRIMARY KEY)")
