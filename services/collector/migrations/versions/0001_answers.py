"""Campaigns, sends, answers, preferences and erasures."""

from alembic import op

from shared.persistence.migrations import create_runtime_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_runtime_tables(op)
    op.execute(
        """
        CREATE TABLE campaigns (
            campaign         text    NOT NULL,
            campaign_version integer NOT NULL,
            definition       jsonb   NOT NULL,
            PRIMARY KEY (campaign, campaign_version)
        )
        """
    )
    # What is needed to show a survey and to record its answer. After an erasure, only the id and the times are left.
    op.execute(
        """
        CREATE TABLE sends (
            send_id          text        PRIMARY KEY,
            campaign         text        NOT NULL,
            campaign_version integer     NOT NULL,
            channel          text        NOT NULL,
            locale           text        NOT NULL,
            customer_id      text,
            address          text,
            name             text,
            order_id         text,
            product          text,
            segments         jsonb       NOT NULL,
            sent_at          timestamptz NOT NULL,
            expires_at       timestamptz NOT NULL,
            erased_at        timestamptz
        )
        """
    )
    op.execute("CREATE INDEX sends_of_customer ON sends (customer_id) WHERE customer_id IS NOT NULL")
    op.execute("CREATE INDEX sends_by_expiry ON sends (expires_at)")
    # `body` is the answer as published at `revision`; null once erased, when the row remains as a tombstone so that
    # nothing can bring the answer back.
    op.execute(
        """
        CREATE TABLE answers (
            answer_id   text        PRIMARY KEY,
            revision    integer     NOT NULL,
            customer_id text,
            body        jsonb,
            erased_at   timestamptz,
            CHECK ((body IS NULL) = (erased_at IS NOT NULL)),
            CHECK (erased_at IS NULL OR customer_id IS NULL)
        )
        """
    )
    op.execute("CREATE INDEX answers_of_customer ON answers (customer_id) WHERE customer_id IS NOT NULL")
    op.execute(
        """
        CREATE TABLE preferences (
            customer_id text    PRIMARY KEY,
            revision    integer NOT NULL,
            channels    jsonb   NOT NULL
        )
        """
    )
    # Erased customers, as keyed digests: enough to reject late data, too little to identify anybody.
    op.execute(
        """
        CREATE TABLE erasures (
            customer_digest     bytea       PRIMARY KEY,
            preference_revision integer     NOT NULL,
            erased_at           timestamptz NOT NULL
        )
        """
    )
