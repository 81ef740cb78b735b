"""What people said about their mailboxes, kept beyond an erasure; and erasures that are not finished yet."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # digest is keyed (shared/digests.py): of a mailbox, or of a customer id.
    op.execute(
        """
        CREATE TABLE suppressions (
            digest     text        NOT NULL,
            channel    text        NOT NULL,
            state      text        NOT NULL CHECK (state IN ('allowed', 'unsubscribed', 'bounced', 'complained')),
            changed_at timestamptz NOT NULL,
            PRIMARY KEY (digest, channel)
        )
        """
    )
    # Of customers with more orders than fit into one transaction; those up to reached are done.
    op.execute(
        """CREATE TABLE erasures (customer_id text COLLATE "C" PRIMARY KEY, reached text COLLATE "C" NOT NULL)"""
    )
