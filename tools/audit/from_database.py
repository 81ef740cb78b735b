"""Reads the facts from the four schemas, as the owner of the database."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import yaml

from shared.contracts import deliveries, orders
from shared.contracts.scores import score_key
from tools.audit.arithmetic import Counts
from tools.audit.checks.erasure import details_to_search
from tools.audit.facts import (
    BEGINNING_OF_TIME,
    EVERYBODY,
    CampaignRule,
    CaseState,
    CollectorSend,
    DatabaseFacts,
    Decision,
    Effect,
    Preferences,
    RoutingRules,
    ScorerAnswer,
    Segment,
    Send,
    Timer,
    TopicFacts,
    Totals,
)
from tools.audit.from_topics import answer_state, channel_states, segments_of
from tools.audit.routing import routing_rules
from tools.audit.traces import ADDRESS, ID, NAME, Detail, Search

ROUTING_TOLERANCE = timedelta(seconds=5)
"""A transaction that read the rules before they changed may open its cases a moment afterwards."""

ROWS_AT_ONCE = 2_000

SCHEMAS = ("dispatcher", "collector", "scorer", "alerter")
OUTCOME_OF_DELIVERY = {
    "accepted": deliveries.ACCEPTED,
    "bounced": deliveries.BOUNCED,
    "failed": deliveries.FAILED,
    # It is unknown whether it arrived, and it is not sent again: published as failed.
    "held": deliveries.FAILED,
}

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def read_facts(connection: Connection, topics: TopicFacts) -> DatabaseFacts:
    """Reads everything; within one transaction it is one snapshot. ``topics`` tell what must be gone from the tables.

    Must be called within a transaction.
    """
    facts = DatabaseFacts()
    await _dispatcher(connection, facts)
    await _collector(connection, facts)
    await _scorer(connection, facts)
    await _alerter(connection, facts)
    await _dead_letters(connection, facts)
    await _positions(connection, facts)
    await _traces(connection, facts, topics)
    return facts


async def _dispatcher(connection: Connection, facts: DatabaseFacts) -> None:
    rows = await connection.fetch(
        """
        SELECT position, decided_at, source, event_id, outcome, reason, customer_id, order_id,
               timer_id::text AS timer_id, campaign, event_type, occurred_at, until, effects::text AS effects,
               left_out::text AS left_out
        FROM dispatcher.decisions ORDER BY position
        """
    )
    numbered = await connection.fetch("SELECT number, campaign FROM dispatcher.campaigns")
    names = {row["number"]: row["campaign"] for row in numbered}
    facts.decisions = [_decision(dict(row), names) for row in rows]
    # These two columns have older names: due_at is when the timer is checked, not when the survey is due.
    rows = await connection.fetch(
        """
        SELECT timer_id::text AS timer_id, campaign, customer_id, order_id, cause, occurrence,
               milestone_at AS due_at, due_at AS check_at
        FROM dispatcher.timers
        """
    )
    facts.timers = [Timer(**dict(row)) for row in rows]
    rows = await connection.fetch("SELECT campaign, customer_id, occurrence, fired_at FROM dispatcher.recurrences")
    facts.recurrences = {(row["campaign"], row["customer_id"]): (row["occurrence"], row["fired_at"]) for row in rows}
    rows = await connection.fetch(
        """
        SELECT send_id::text AS send_id, timer_id::text AS timer_id, campaign, campaign_version, channel, customer_id,
               order_id, due_at, sent_at, expires_at
        FROM dispatcher.sends
        """
    )
    facts.sends = {row["send_id"]: Send(**dict(row)) for row in rows}
    rows = await connection.fetch("SELECT send_id, state FROM dispatcher.deliveries")
    facts.not_reached = {row["send_id"] for row in rows if row["state"] in ("bounced", "failed")}
    facts.deliveries = {row["send_id"]: OUTCOME_OF_DELIVERY.get(row["state"], row["state"]) for row in rows}
    rows = await connection.fetch(
        "SELECT definition::text AS definition, version, changed_at FROM dispatcher.campaigns"
    )
    rules = [campaign_rule(json.loads(row["definition"]), row["version"], row["changed_at"]) for row in rows]
    facts.campaigns = {rule.id: rule for rule in rules}
    rows = await connection.fetch(
        """
        SELECT customer_id, erased_at, details <> '{}' AS described
        FROM dispatcher.customers WHERE erased_at IS NOT NULL
        """
    )
    facts.erased_customers = {row["customer_id"]: row["erased_at"] for row in rows}
    facts.described_customers = {row["customer_id"] for row in rows if row["described"]}
    rows = await connection.fetch(
        """
        SELECT customer_id, preference_revision AS revision, channels::text AS channels
        FROM dispatcher.customers WHERE preference_revision > 0
        """
    )
    facts.known_preferences = _preferences(rows)
    rows = await connection.fetch("SELECT customer_id FROM dispatcher.customers WHERE several_people")
    facts.shared_ids = {row["customer_id"] for row in rows}


def _decision(row: dict[str, Any], names: Mapping[int, str]) -> Decision:
    """``names`` has the campaigns by number: those that set no timer are logged as sets, by the reason."""
    source, event_id, effects_json = (row.pop(name) for name in ("source", "event_id", "effects"))
    left_out = row.pop("left_out")
    effects = json.loads(effects_json) if effects_json else []
    effects += [
        {"campaign": name, "change": "none", "reason": reason}
        for reason, digits in (json.loads(left_out) if left_out else {}).items()
        for number, name in names.items()
        if int(digits, 16) >> number & 1
    ]
    return Decision(
        **row,
        event=(source, event_id) if event_id is not None else None,
        effects=tuple(
            Effect(campaign=effect["campaign"], change=effect["change"], reason=effect["reason"]) for effect in effects
        ),
    )


def campaign_rule(definition: dict[str, Any], version: int, changed_at: datetime) -> CampaignRule:
    """The part of a campaign's definition that decides when it asks."""
    trigger = definition.get("trigger") or ()
    triggers = [trigger] if isinstance(trigger, dict) else trigger
    return CampaignRule(
        id=definition["id"],
        triggers=tuple((trigger["after"], duration(trigger.get("delay", "0 days"))) for trigger in triggers),
        stop_on=frozenset(definition.get("stop_on", (orders.CANCELLED, orders.REFUNDED, orders.RETURNED))),
        quiet_period=duration(definition["quiet_period"]) if definition.get("quiet_period") else None,
        pair_with=definition.get("pair_with"),
        active=definition.get("active", True),
        every=duration(definition["every"]) if definition.get("every") else None,
        active_within=duration(definition.get("active_within", "365 days")),
        valid_for=duration(definition.get("valid_for", "14 days")),
        version=version,
        changed_at=changed_at,
    )


def duration(text: str) -> timedelta:
    """Parses a duration such as "30 days"."""
    number, unit = text.split()
    return int(number) * timedelta(**{unit.rstrip("s") + "s": 1})


async def _collector(connection: Connection, facts: DatabaseFacts) -> None:
    rows = await connection.fetch("SELECT answer_id, revision, body::text AS body FROM collector.answers")
    for row in rows:
        body = {"revision": row["revision"]} if row["body"] is None else json.loads(row["body"])
        facts.answers[row["answer_id"]] = answer_state(body, erased=row["body"] is None)
    rows = await connection.fetch(
        """
        SELECT send_id, campaign, campaign_version, customer_id, order_id, sent_at, expires_at,
               segments::text AS segments, erased_at IS NOT NULL AS erased
        FROM collector.sends
        """
    )
    for row in rows:
        fields = dict(row)
        send_id, segments = fields.pop("send_id"), segments_of(json.loads(fields.pop("segments")))
        facts.collector_sends[send_id] = CollectorSend(**fields, segments=segments)

    rows = await connection.fetch("SELECT customer_id, revision, channels::text AS channels FROM collector.preferences")
    facts.preferences = _preferences(rows)


def _preferences(rows: Iterable[Mapping[str, Any]]) -> dict[str, Preferences]:
    return {
        row["customer_id"]: Preferences(revision=row["revision"], channels=channel_states(json.loads(row["channels"])))
        for row in rows
    }


async def _scorer(connection: Connection, facts: DatabaseFacts) -> None:
    campaigns = {row["id"]: row["name"] for row in await connection.fetch("SELECT id, name FROM scorer.campaigns")}
    segments: dict[int, Segment] = {
        row["id"]: (row["dimension"], row["value"])
        for row in await connection.fetch("SELECT id, dimension, value FROM scorer.segments")
    }
    rows = await connection.fetch(
        "SELECT key::text AS key, revision, score, day, campaign_id, segment_ids, erased_group FROM scorer.answers"
    )
    for row in rows:
        of_answer = [segments[segment_id] for segment_id in row["segment_ids"] or ()]
        facts.scorer_answers[row["key"]] = ScorerAnswer(
            revision=row["revision"],
            score=row["score"],
            day=row["day"],
            campaign=campaigns[row["campaign_id"]] if row["campaign_id"] is not None else "",
            segments=frozenset(of_answer) - {EVERYBODY},
            erased_group=row["erased_group"],
        )
    # A cell is what it is in the one table, and what is still to be added to it from the other.
    rows = await connection.fetch(
        """
        SELECT segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered
        FROM scorer.day_counts
        UNION ALL
        SELECT segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered
        FROM scorer.day_changes
        """
    )
    for row in rows:
        cell = segments[row["segment_id"]], campaigns[row["campaign_id"]], row["day"]
        counts = Counts(promoters=row["promoters"], passives=row["passives"], detractors=row["detractors"])
        some = Totals(counts, delivered=row["delivered"], answered=row["answered"])
        facts.day_counts[cell] = facts.day_counts.get(cell, Totals()) + some
    rows = await connection.fetch("SELECT key::text AS key, score, comment FROM scorer.comments")
    facts.comments = {row["key"]: (row["score"], row["comment"]) for row in rows}
    rows = await connection.fetch(
        """
        SELECT body::jsonb->>'campaign' AS campaign, body::jsonb->>'window' AS window,
               body::jsonb->>'segment' AS segment, sequence
        FROM scorer.scores
        """
    )
    facts.score_sequences = {
        score_key(campaign=row["campaign"], window=row["window"], segment=row["segment"]): row["sequence"]
        for row in rows
    }


async def _alerter(connection: Connection, facts: DatabaseFacts) -> None:
    rows = await connection.fetch(
        """
        SELECT case_id, queue, status, sequence, answer->>'answer_id' AS answer_id,
               (answer->>'score')::int AS score, (answer->>'revision')::int AS revision, closed_reason,
               answer->>'comment' AS comment, opened_at, changed_at, due_at, owner, suggested_action, root_cause
        FROM alerter.cases
        """
    )
    facts.cases = {row["case_id"]: CaseState(**dict(row)) for row in rows}
    rows = await connection.fetch("SELECT DISTINCT case_id FROM alerter.case_history WHERE kind = 'reopened'")
    facts.reopened_cases = {row["case_id"] for row in rows}
    row = await connection.fetchrow("SELECT document, version, changed_at FROM alerter.routing")
    if row is not None:
        # There were no other rules before the first.
        since = row["changed_at"] + ROUTING_TOLERANCE if row["version"] > 1 else BEGINNING_OF_TIME
        facts.routing = RoutingRules(rules=routing_rules(yaml.safe_load(row["document"])), since=since)


async def _dead_letters(connection: Connection, facts: DatabaseFacts) -> None:
    for schema in SCHEMAS:
        rows = await connection.fetch(
            f"SELECT consumer, topic, partition, record_offset FROM {schema}.dead_letters"  # noqa: S608  # our own schemas
        )
        facts.dead_letters |= {
            (row["consumer"], (row["topic"], row["partition"], row["record_offset"])) for row in rows
        }


async def _positions(connection: Connection, facts: DatabaseFacts) -> None:
    for schema in SCHEMAS:
        rows = await connection.fetch(
            f"SELECT consumer, topic, partition, next_offset FROM {schema}.consumer_positions"  # noqa: S608  # our own schemas
        )
        facts.positions |= {(row["consumer"], row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def _traces(connection: Connection, facts: DatabaseFacts, topics: TopicFacts) -> None:
    """Every table is searched for what must be gone. Rows are read in batches, and none is kept."""
    wanted = details_to_search(topics, facts)
    if not wanted:
        return
    facts.details_of_others = await _details_of_others(connection, wanted)
    search = Search(detail for detail in wanted if (detail.kind, detail.text) not in facts.details_of_others)
    for schema, table in await _tables_with_text(connection):
        keeps_ids = (schema == "dispatcher" and table != "deliveries") or (schema, table) == ("collector", "erased_ids")
        rows = connection.cursor(
            f"SELECT to_jsonb(scanned)::text AS document FROM {schema}.{table} AS scanned",  # noqa: S608  # our own tables, from the catalogue
            prefetch=ROWS_AT_ONCE,
        )
        async for row in rows:
            for detail in search.found_in(row["document"]):
                if not (detail.kind == ID and keeps_ids):
                    facts.traces.setdefault(f"{schema}.{table}", set()).add(detail)


async def _details_of_others(connection: Connection, wanted: Iterable[Detail]) -> set[tuple[str, str]]:
    """Of the addresses and names, those that a customer who was not erased has, too."""
    found: set[tuple[str, str]] = set()
    for kind, field in ((ADDRESS, "email"), (NAME, "name")):
        rows = await connection.fetch(
            """
            SELECT DISTINCT lower(trim(details->$1->>1)) AS text FROM dispatcher.customers
            WHERE erased_at IS NULL AND lower(trim(details->$1->>1)) = ANY($2::text[])
            """,
            field,
            sorted({detail.text for detail in wanted if detail.kind == kind}),
        )
        found |= {(kind, row["text"]) for row in rows}
    return found


async def _tables_with_text(connection: Connection) -> Iterable[tuple[str, str]]:
    rows = await connection.fetch(
        """
        SELECT DISTINCT table_schema, table_name FROM information_schema.columns
        WHERE table_schema = ANY($1::text[]) AND data_type IN ('text', 'character varying', 'json', 'jsonb', 'ARRAY')
        ORDER BY table_schema, table_name
        """,
        list(SCHEMAS),
    )
    return [(row["table_schema"], row["table_name"]) for row in rows]
