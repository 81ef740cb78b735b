"""Cases, their history, what is known about customers, and the current routing rules."""

from alembic import op

from shared.persistence.migrations import create_runtime_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_runtime_tables(op)
    # An answer that was erased before it was received is a row without a queue: a tombstone under the same primary
    # key, so that two replicas receiving the same answer always conflict on it.
    op.execute(
        """
        CREATE TABLE cases (
            case_id          text        PRIMARY KEY,
            revision         bigint      NOT NULL,
            answer           jsonb,
            queue            text        CHECK (queue IS NOT NULL OR erased),
            rule             text,
            status           text        NOT NULL,
            sequence         integer     NOT NULL,
            opened_at        timestamptz NOT NULL,
            changed_at       timestamptz NOT NULL,
            due_at           timestamptz,
            owner            text,
            suggested_action text,
            closed_reason    text,
            root_cause       text,
            erased           boolean     NOT NULL,
            position         bigint      NOT NULL,
            customer_key     uuid,
            order_id         text,
            awaits_customer  boolean     NOT NULL,
            awaits_order     boolean     NOT NULL,
            searched         text        NOT NULL,
            CHECK (NOT erased OR (answer IS NULL AND owner IS NULL AND customer_key IS NULL AND order_id IS NULL
                                  AND searched = ''))
        )
        """
    )
    # A page of the inbox is one range of one of these: position separates waiting from closed cases, and orders both.
    op.execute("CREATE INDEX cases_by_position ON cases (position, case_id)")
    op.execute("CREATE INDEX cases_in_queue ON cases (queue, position, case_id)")
    op.execute("CREATE INDEX cases_of_owner ON cases (owner, position, case_id)")
    op.execute("CREATE INDEX cases_searched ON cases USING gin (to_tsvector('simple', searched))")
    op.execute("CREATE INDEX cases_of_customer ON cases (customer_key, opened_at DESC) WHERE customer_key IS NOT NULL")
    op.execute("CREATE INDEX cases_awaiting_customer ON cases (customer_key) WHERE awaits_customer")
    op.execute("CREATE INDEX cases_awaiting_order ON cases (order_id) WHERE awaits_order")
    op.execute(
        """
        CREATE TABLE case_history (
            case_id  text        NOT NULL REFERENCES cases,
            sequence integer     NOT NULL,
            at       timestamptz NOT NULL,
            kind     text        NOT NULL,
            actor    text,
            details  jsonb       NOT NULL,
            PRIMARY KEY (case_id, sequence)
        )
        """
    )
    # After an erasure the row remains, with the time and without the document.
    op.execute(
        """
        CREATE TABLE customers (
            customer_key uuid        PRIMARY KEY,
            document     jsonb,
            told_at      timestamptz,
            erased_at    timestamptz
        )
        """
    )
    op.execute("CREATE INDEX customers_by_age ON customers (told_at) WHERE document IS NOT NULL")
    op.execute(
        """
        CREATE TABLE customer_orders (
            order_id     text        PRIMARY KEY,
            customer_key uuid        NOT NULL REFERENCES customers,
            document     jsonb       NOT NULL,
            told_at      timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX customer_orders_of_customer ON customer_orders (customer_key, told_at DESC)")
    op.execute("CREATE INDEX customer_orders_by_age ON customer_orders (told_at)")
    op.execute(
        """
        CREATE TABLE customer_surveys (
            send_id      text        PRIMARY KEY,
            customer_key uuid        NOT NULL REFERENCES customers,
            document     jsonb       NOT NULL,
            sent_at      timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX customer_surveys_of_customer ON customer_surveys (customer_key, sent_at DESC)")
    op.execute("CREATE INDEX customer_surveys_by_age ON customer_surveys (sent_at)")
    # One row. file_digest is that of the rules file last applied: a changed file is applied again.
    op.execute(
        """
        CREATE TABLE routing (
            only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
            version     integer     NOT NULL,
            document    text        NOT NULL,
            file_digest text        NOT NULL,
            changed_at  timestamptz NOT NULL,
            changed_by  text        NOT NULL
        )
        """
    )
