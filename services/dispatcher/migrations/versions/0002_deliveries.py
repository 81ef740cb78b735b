"""The courier's queue: one row for each survey to deliver."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # available_at is real time: the next attempt of a queued row, the end of the lease of one in transmission.
    # survey and customer_id hold personal data; both are cleared when the delivery ends.
    op.execute(
        """
        CREATE TABLE deliveries (
            send_id      text        PRIMARY KEY,
            state        text        NOT NULL DEFAULT 'queued'
                         CHECK (state IN ('queued', 'transmitting', 'accepted', 'bounced', 'failed', 'held')),
            available_at timestamptz NOT NULL DEFAULT now(),
            attempts     integer     NOT NULL DEFAULT 0,
            claim        uuid,
            message_id   text        NOT NULL,
            campaign     text        NOT NULL,
            expires_at   timestamptz NOT NULL,
            customer_id  text,
            survey       jsonb,
            traceparent  text,
            reason       text,
            ended_at     timestamptz
        )
        """
    )
    op.execute("CREATE INDEX deliveries_queued ON deliveries (available_at) WHERE state = 'queued'")
    op.execute("CREATE INDEX deliveries_transmitting ON deliveries (available_at) WHERE state = 'transmitting'")
    # For an erasure to find deliveries still under way.
    op.execute("CREATE INDEX deliveries_of_customer ON deliveries (customer_id) WHERE customer_id IS NOT NULL")
