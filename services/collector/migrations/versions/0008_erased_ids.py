"""The ids of erased customers, until everybody has been told and their last record can go, too."""

from alembic import op

from shared.persistence.migrations import allow_records_without_value

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE erased_ids (customer_id text PRIMARY KEY, erased_at timestamptz NOT NULL)")
    op.execute("CREATE INDEX erased_ids_by_age ON erased_ids (erased_at)")
    allow_records_without_value(op)
