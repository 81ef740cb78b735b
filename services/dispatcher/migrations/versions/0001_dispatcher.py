"""Campaigns, what is known about orders and customers, timers, the send ledger and the decision log."""

from alembic import op

from shared.persistence.migrations import create_runtime_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Identifiers sort by code point (COLLATE "C"), as Python sorts them: all processes then take locks in the same order.
_TABLES = (
    """
    CREATE TABLE campaigns (
        campaign        text COLLATE "C" PRIMARY KEY,
        version         integer     NOT NULL,
        definition      jsonb       NOT NULL,
        brand           jsonb       NOT NULL,
        file_definition jsonb,
        changed_at      timestamptz NOT NULL
    )
    """,
    # The row that a customer is locked by. Personal data is in details and channels, and nowhere else.
    """
    CREATE TABLE customers (
        customer_id         text COLLATE "C" PRIMARY KEY,
        details             jsonb       NOT NULL DEFAULT '{}',
        first_event_at      timestamptz,
        since               timestamptz,
        preference_revision integer     NOT NULL DEFAULT 0,
        channels            jsonb       NOT NULL DEFAULT '[]',
        erased_at           timestamptz,
        last_answered_at    timestamptz
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE orders (
        order_id       text COLLATE "C" PRIMARY KEY,
        customer_id    text COLLATE "C" NOT NULL,
        first_event_at timestamptz,
        ordered_at     timestamptz,
        stopped        boolean NOT NULL DEFAULT false,
        facts          jsonb   NOT NULL DEFAULT '{}'
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX orders_of_customer ON orders (customer_id, stopped, ordered_at)",
    """
    CREATE TABLE timers (
        timer_id     uuid PRIMARY KEY,
        campaign     text        NOT NULL,
        customer_id  text COLLATE "C" NOT NULL,
        order_id     text COLLATE "C",
        cause        text        NOT NULL CHECK (cause IN ('milestone', 'recurrence', 'request')),
        occurrence   integer     NOT NULL,
        milestone_at timestamptz NOT NULL,
        due_at       timestamptz NOT NULL,
        traceparent  text
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000)
    """,
    "CREATE INDEX timers_due ON timers (due_at)",
    "CREATE INDEX timers_of_customer ON timers (customer_id, due_at)",
    "CREATE INDEX timers_of_order ON timers (order_id) WHERE order_id IS NOT NULL",
    # When a recurring campaign last asked a customer, or would have.
    """
    CREATE TABLE recurrences (
        campaign    text        NOT NULL,
        customer_id text COLLATE "C" NOT NULL,
        occurrence  integer     NOT NULL,
        fired_at    timestamptz NOT NULL,
        PRIMARY KEY (customer_id, campaign)
    )
    """,
    # The ledger the quiet period is decided by.
    """
    CREATE TABLE sends (
        send_id          uuid PRIMARY KEY,
        timer_id         uuid        NOT NULL UNIQUE,
        campaign         text        NOT NULL,
        campaign_version integer     NOT NULL,
        customer_id      text COLLATE "C" NOT NULL,
        order_id         text COLLATE "C",
        channel          text        NOT NULL,
        due_at           timestamptz NOT NULL,
        sent_at          timestamptz NOT NULL,
        expires_at       timestamptz NOT NULL
    )
    """,
    "CREATE INDEX sends_of_customer ON sends (customer_id, sent_at)",
    """
    CREATE TABLE decisions (
        decision_id uuid PRIMARY KEY,
        position    bigint      GENERATED ALWAYS AS IDENTITY,
        customer_id text COLLATE "C" NOT NULL,
        decided_at  timestamptz NOT NULL,
        outcome     text        NOT NULL,
        reason      text        NOT NULL,
        order_id    text COLLATE "C",
        event_type  text,
        source      text,
        event_id    text,
        occurred_at timestamptz,
        timer_id    uuid,
        campaign    text,
        until       timestamptz,
        because_of  text,
        effects     jsonb
    )
    """,
    "CREATE INDEX decisions_of_customer ON decisions (customer_id, position)",
    # Which campaigns have decided on an order: it is not asked about again.
    """
    CREATE INDEX decisions_final ON decisions (order_id)
    WHERE timer_id IS NOT NULL AND outcome IN ('sent', 'skipped')
    """,
)


def upgrade() -> None:
    create_runtime_tables(op)
    for statement in _TABLES:
        op.execute(statement)
