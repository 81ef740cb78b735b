"""Upgrades a service's schema, and creates the tables every service's runtime needs."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

if TYPE_CHECKING:
    from alembic.config import Config

_ENVIRONMENT = Path(__file__).parent / "alembic"


def configuration(service: str) -> "Config":
    """Alembic's configuration for ``services/<service>/migrations``."""
    from alembic.config import Config  # takes time and memory that a start with nothing to migrate need not spend

    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT))
    config.set_main_option("version_locations", str(_versions(service)))
    config.set_main_option("path_separator", "newline")
    return config


def newest(service: str) -> str:
    """The revision of the latest migration: the number its file's name begins with."""
    return max(file.name for file in _versions(service).glob("[0-9]*_*.py")).partition("_")[0]


def _versions(service: str) -> Path:
    package = importlib.import_module(f"services.{service}")
    return Path(next(iter(package.__path__))) / "migrations" / "versions"


async def migrate(service: str, engine: AsyncEngine) -> str | None:
    """Upgrades the schema to the latest revision; replicas that start at the same time wait for one another. Returns
    the revision it had before, None if it had none."""
    before = await _revision(engine)
    if before == newest(service):
        return before
    from alembic import command  # see ``configuration``

    config = configuration(service)

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with engine.begin() as connection:
        # Creating an index on a large table takes time, and so does waiting for the replica creating it.
        for limit in ("statement_timeout", "transaction_timeout"):
            await connection.execute(text("SELECT set_config(:limit, '0', true)"), {"limit": limit})
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('hearback.migrate.' || current_schema(), 0))")
        )
        await connection.run_sync(upgrade)
    return before


async def _revision(engine: AsyncEngine) -> str | None:
    """Of the schema as it is; None for one that was never migrated."""
    async with engine.connect() as connection:
        if not await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
            return None
        found: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


class Executes(Protocol):
    """The part of ``alembic.op``, a module that proxies the current operations, that is needed here."""

    def execute(self, sqltext: str, /) -> None: ...


def create_runtime_tables(op: Executes) -> None:
    """The tables of ``shared.messaging``; to be called from a service's first migration."""
    op.execute(
        """
        CREATE TABLE consumer_positions (
            consumer    text        NOT NULL,
            topic       text        NOT NULL,
            partition   integer     NOT NULL,
            next_offset bigint      NOT NULL,
            changed_at  timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (consumer, topic, partition)
        )
        """
    )
    # Drained as fast as it is filled, so autovacuum must run after a few thousand dead rows, not a fifth of a peak.
    op.execute(
        """
        CREATE TABLE outbox (
            id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            topic      text        NOT NULL,
            key        bytea,
            headers    text        NOT NULL,
            value      bytea       NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)
        """
    )
    op.execute(
        """
        CREATE TABLE dead_letters (
            consumer      text        NOT NULL,
            topic         text        NOT NULL,
            partition     integer     NOT NULL,
            record_offset bigint      NOT NULL,
            reason        text        NOT NULL,
            recorded_at   timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (consumer, topic, partition, record_offset)
        )
        """
    )
    op.execute("CREATE INDEX dead_letters_recent ON dead_letters (consumer, topic, recorded_at)")


def create_outbox_set_aside(op: Executes) -> None:
    """Events that cannot be published, and those that wait behind one.

    To be called from a migration after the first.
    """
    # tries: how often this event itself was tried in vain; 0 if it only waits behind another one. whole_topic: the
    # fault is the topic's, so all its events wait.
    op.execute(
        """
        CREATE TABLE outbox_set_aside (
            id           bigint      PRIMARY KEY,
            topic        text        NOT NULL,
            key          bytea,
            headers      text        NOT NULL,
            value        bytea       NOT NULL,
            created_at   timestamptz NOT NULL,
            set_aside_at timestamptz NOT NULL DEFAULT now(),
            tries        integer     NOT NULL DEFAULT 0,
            retry_at     timestamptz,
            reason       text        NOT NULL DEFAULT '',
            whole_topic  boolean     NOT NULL DEFAULT false
        )
        """
    )
    # What an event waits behind has its topic and key.
    op.execute("CREATE INDEX outbox_set_aside_of_key ON outbox_set_aside (topic, key, id)")
    op.execute("CREATE INDEX outbox_set_aside_due ON outbox_set_aside (retry_at) WHERE tries > 0")


def add_topic_identities(op: Executes) -> None:
    """Which topic, of which cluster, a position is in; unknown until the consumer has asked.

    To be called from a migration after the first.
    """
    op.execute("ALTER TABLE consumer_positions ADD COLUMN cluster_id text, ADD COLUMN topic_id uuid")


def add_dead_letter_subjects(op: Executes) -> None:
    """Keyed digests of the customers and orders a dead letter is about, as far as they could be found.

    To be called from a migration after ``add_dead_letter_states``.
    """
    op.execute("ALTER TABLE dead_letters ADD COLUMN subjects text[] NOT NULL DEFAULT '{}'")
    op.execute("CREATE INDEX dead_letters_about ON dead_letters USING gin (subjects)")


def allow_records_without_value(op: Executes) -> None:
    """For a service that removes keys from compacted topics; to be called after ``create_outbox_set_aside``."""
    for table in ("outbox", "outbox_set_aside"):
        op.execute(f"ALTER TABLE {table} ALTER COLUMN value DROP NOT NULL")


def create_withdrawn_sessions(op: Executes) -> None:
    """Sessions of staff that were signed out of, for as long as their cookies could be used.

    To be called from a migration after the first, by a service with pages for staff.
    """
    op.execute("CREATE TABLE withdrawn_sessions (session_id text PRIMARY KEY, expires_at timestamptz NOT NULL)")
    op.execute("CREATE INDEX withdrawn_sessions_expired ON withdrawn_sessions (expires_at)")


def add_dead_letter_states(op: Executes) -> None:
    """What became of each dead letter, how many more are granted, and which partitions stand still, and why.

    To be called from a migration after the first.
    """
    # event_id: the record's ce_id, if it could be read. records: how many records the letter stands for; a batch whose
    # records cannot be told apart is one letter. state: 'put_back' was published to its topic again, 'skipped' will not
    # be; changed_at is when it became so.
    op.execute(
        """
        ALTER TABLE dead_letters
            ADD COLUMN event_id   text,
            ADD COLUMN records    integer     NOT NULL DEFAULT 1,
            ADD COLUMN state      text        NOT NULL DEFAULT 'set_aside'
                                  CHECK (state IN ('set_aside', 'put_back', 'skipped')),
            ADD COLUMN changed_at timestamptz
        """
    )
    # An operator grants so many dead letters within the hour after granted_at, whatever the limit is.
    op.execute(
        """
        CREATE TABLE dead_letter_grants (
            consumer   text        NOT NULL,
            topic      text        NOT NULL,
            granted_at timestamptz NOT NULL DEFAULT now(),
            records    bigint      NOT NULL CHECK (records > 0),
            PRIMARY KEY (consumer, topic)
        )
        """
    )
    # Each partition that stands still at record_offset; it has gone on once its position is beyond that.
    op.execute(
        """
        CREATE TABLE stopped_partitions (
            consumer      text        NOT NULL,
            topic         text        NOT NULL,
            partition     integer     NOT NULL,
            record_offset bigint      NOT NULL,
            cause         text        NOT NULL
                          CHECK (cause IN ('dead_letter_limit', 'own_fault', 'corrupt', 'topic_replaced')),
            explanation   text        NOT NULL,
            stopped_at    timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (consumer, topic, partition)
        )
        """
    )
