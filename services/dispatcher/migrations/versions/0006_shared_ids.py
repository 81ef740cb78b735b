"""How many mailboxes a customer id has had: an id with many is not one person's."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Short keyed digests, at most as many as one person may have.
    op.execute("ALTER TABLE customers ADD COLUMN mailboxes jsonb NOT NULL DEFAULT '[]'")
    op.execute("ALTER TABLE customers ADD COLUMN several_people boolean NOT NULL DEFAULT false")
