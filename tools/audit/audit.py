"""The whole audit: wait until the loop is idle, read everything, compare everything."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import asyncpg
import httpx
from pydantic import ValidationError

from shared.connection_errors import CONNECTION_ERRORS
from shared.kafka_settings import KafkaSettings, settings_errors
from tools.audit import from_database, from_topics, served
from tools.audit.checks import answers, cases, consent, erasure, keys, orders, recurring, scores, sends, timers
from tools.audit.decision_log import DecisionLog
from tools.audit.facts import CaseState, DatabaseFacts, ScoreKey, TopicFacts, TotalsByDay
from tools.audit.from_database import Connection
from tools.audit.idle import backlog, wait_until_idle, work_in_progress
from tools.audit.report import Report
from tools.audit.topics import Topics, UnknownTopic

MAX_ATTEMPTS = 3
"""How often the audit starts over when new input arrives while it reads."""
HTTP_SECONDS = 30
KEEP_ALIVE_SECONDS = 2
"""Less than the 5 idle seconds after which the services close a connection."""
NEW_INPUT = "new input arrived during every attempt; run the audit again when the system is less busy."
UTC = ZoneInfo("UTC")
PROMISES = (4, 1, 2, 3, 6)
"""In the order of the loop: order events, surveys, answers, cases; then what holds on every topic."""
UNREACHABLE = (*CONNECTION_ERRORS, httpx.HTTPError, UnknownTopic)

T = TypeVar("T")
Progress = Callable[[str], None]


class CannotAudit(Exception):
    """The installation cannot be reached as configured; the message says what is missing or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What to audit. Without ``mailbox_url``, received mail is not compared."""

    kafka: KafkaSettings
    database_url: str
    scorer_url: str
    alerter_url: str
    api_key: str
    mailbox_url: str | None = None
    topic_prefix: str = ""
    zone: ZoneInfo = UTC
    quiet_period: timedelta = timedelta(days=90)
    minimum_answers: int = 10
    case_days: timedelta = timedelta(days=1_100)
    customer_days: timedelta = timedelta(days=1_095)
    erased_id_days: timedelta = timedelta(days=40)
    comments_kept: int = 1_000
    comments_kept_for: timedelta = timedelta(days=365)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Installation":
        """Reads the variables exported by `.hearback/env`. Raises CannotAudit naming a missing or invalid one."""

        def required(name: str) -> str:
            value = environment.get(name)
            if not value:
                raise CannotAudit(f"{name} is not set: start the stack with `make up`, or source its `.hearback/env`.")
            return value

        def parse(name: str, default: str, parser: Callable[[str], T]) -> T:
            value = environment.get(name) or default
            try:
                return parser(value)
            except (ValueError, LookupError) as error:
                raise CannotAudit(f"{name} is {value!r}, which the services would reject.") from error

        required("HEARBACK_KAFKA_BOOTSTRAP_SERVERS")
        try:
            kafka = KafkaSettings.of(environment)
        except ValidationError as error:
            raise CannotAudit("; ".join(settings_errors(error))) from error
        return cls(
            kafka=kafka,
            database_url=required("HEARBACK_DATABASE_URL"),
            scorer_url=required("HEARBACK_SCORER_URL"),
            alerter_url=required("HEARBACK_ALERTER_URL"),
            api_key=required("HEARBACK_API_KEY"),
            mailbox_url=environment.get("HEARBACK_MAILBOX_URL"),
            topic_prefix=environment.get("HEARBACK_TOPIC_PREFIX", ""),
            zone=parse("HEARBACK_TIMEZONE", "UTC", ZoneInfo),
            quiet_period=timedelta(days=parse("HEARBACK_QUIET_PERIOD_DAYS", "90", float)),
            case_days=timedelta(days=parse("HEARBACK_CASE_DAYS", "1100", float)),
            minimum_answers=parse("HEARBACK_MINIMUM_ANSWERS", "10", int),
            customer_days=timedelta(days=parse("HEARBACK_CUSTOMER_RETENTION_DAYS", "1095", float)),
            erased_id_days=timedelta(days=parse("HEARBACK_ERASED_ID_DAYS", "40", float)),
            comments_kept=parse("HEARBACK_COMMENTS_KEPT", "1000", int),
            comments_kept_for=timedelta(days=parse("HEARBACK_COMMENTS_KEPT_DAYS", "365", int)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything an audit compares, at ``now`` by the services' clock; ``mails`` is None without a mailbox."""

    now: datetime
    topics: TopicFacts
    database: DatabaseFacts
    by_day: TotalsByDay
    windows: scores.Windows
    served_scores: Mapping[ScoreKey, Mapping[str, Any]]
    served_cases: Mapping[str, CaseState]
    mails: served.SurveyMails | None


def ignore_progress(_step: str) -> None:
    """The default for callers that do not show progress."""


async def audit(installation: Installation, *, within: float = 60, progress: Progress = ignore_progress) -> Report:
    """Recomputes everything from the ledgers and compares it with what is served.

    Waits up to ``within`` seconds until the loop is idle; if it does not become idle, the report is inconclusive.
    Raises CannotAudit when Kafka, PostgreSQL or a service cannot be reached.
    """
    gathered = await gather(installation, within=within, progress=progress)
    if isinstance(gathered, Report):
        return gathered
    progress("comparing")
    return await asyncio.to_thread(compared, gathered, installation)


async def gather(
    installation: Installation, *, within: float = 60, progress: Progress = ignore_progress
) -> Evidence | Report:
    """Everything an audit compares; a report that says why, if it is inconclusive. Waits and raises as ``audit``."""
    try:
        return await _gather(installation, within, progress)
    except UNREACHABLE as error:
        reason = f"{type(error).__name__} ({error})" if str(error) else type(error).__name__
        raise CannotAudit(f"Cannot audit: {reason}. Is the stack up? `make status` shows it.") from error


async def _gather(installation: Installation, within: float, progress: Progress) -> Evidence | Report:
    headers = {"Authorization": f"Bearer {installation.api_key}"}
    limits = httpx.Limits(keepalive_expiry=KEEP_ALIVE_SECONDS)
    async with httpx.AsyncClient(headers=headers, timeout=HTTP_SECONDS, limits=limits) as client:
        connection: Connection = await asyncpg.connect(installation.database_url, timeout=30)
        try:
            for _ in range(MAX_ATTEMPTS):
                gathered = await _attempt(installation, client, connection, within, progress)
                if not isinstance(gathered, Report) or gathered.inconclusive != NEW_INPUT:
                    break
            return gathered
        finally:
            await connection.close()


async def _attempt(
    installation: Installation,
    client: httpx.AsyncClient,
    connection: Connection,
    within: float,
    progress: Progress,
) -> Evidence | Report:
    topics = Topics(installation.kafka, prefix=installation.topic_prefix)
    names = from_topics.audited_topics(await topics.names())
    now = await served.now(client, installation.scorer_url)
    async with topics.ends(names) as ends:
        progress("waiting until the loop is idle")
        pending = await wait_until_idle(connection, ends, now, installation.zone, within)
        if pending:
            what = ", ".join(f"{count:,} {name}" for name, count in pending.items())
            return Report(pending=pending, inconclusive=f"the loop was not idle within {within:.0f} s: {what}.")
        before = await ends()
        progress("reading the topics")
        from_kafka = await from_topics.read_facts(topics, names)
        from_kafka.ends = before
        progress("reading the tables")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # Work that has become due since the loop was idle may be in progress in this snapshot.
            in_progress = await work_in_progress(connection, before, now, installation.zone)
            stored = await from_database.read_facts(connection, from_kafka)
        if in_progress:
            return Report(inconclusive=NEW_INPUT)
        progress("asking the services")
        evidence = await _with_what_is_served(installation, client, from_kafka, stored)
        after = await ends()
        day_changed = _day(await served.now(client, installation.scorer_url), installation) != _day(now, installation)
        if after != before or day_changed or await backlog(connection, after):
            # Differences might only be input that arrived between two reads.
            return Report(inconclusive=NEW_INPUT)
    return evidence


def _day(moment: datetime, installation: Installation) -> date:
    """When the day changes, windows move, and scores change with them."""
    return moment.astimezone(installation.zone).date()


async def _with_what_is_served(
    installation: Installation, client: httpx.AsyncClient, topics: TopicFacts, database: DatabaseFacts
) -> Evidence:
    by_day = answers.totals_by_day(topics, installation.zone)
    delivered_from = answers.delivered_from(topics, installation.zone)
    windows = await asyncio.to_thread(scores.Windows, by_day, delivered_from)
    served_scores = await served.scores(client, installation.scorer_url, windows.keys)
    now = await served.now(client, installation.scorer_url)
    served_cases = await served.cases(client, installation.alerter_url)
    mails = None
    if installation.mailbox_url is not None:
        mails = await served.survey_mails(client, installation.mailbox_url)
    return Evidence(
        now=now,
        topics=topics,
        database=database,
        by_day=by_day,
        windows=windows,
        served_scores=served_scores,
        served_cases=served_cases,
        mails=mails,
    )


def compared(evidence: Evidence, installation: Installation) -> Report:
    """Every check of what was gathered. Pure."""
    topics, database, now, zone = evidence.topics, evidence.database, evidence.now, installation.zone
    log = DecisionLog.of(database.decisions)
    outcomes, undelivered = sends.outcomes_recorded(topics, database)
    # Of customers who were erased and did not come back, the dispatcher keeps nothing for longer.
    erased_before = now - max(installation.erased_id_days, installation.quiet_period)
    cases_since, comments_since = now - installation.case_days, now - installation.comments_kept_for
    checks = [
        orders.events_accounted_for(topics, database, forgotten_before=erased_before),
        orders.unreadable_dead_lettered(topics, database),
        timers.timers_recomputed(topics, database, log),
        recurring.recurring_recomputed(topics, database, log),
        timers.requests_recomputed(topics, database, log),
        orders.dead_letters_published(topics, database),
        sends.quiet_periods_kept(database, installation.quiet_period),
        consent.nobody_against_their_will(topics, database, log),
        consent.preferences_known(topics, database),
        timers.surveys_were_due(topics, database, log),
        recurring.surveys_were_due(topics, database, log),
        sends.sends_match_decisions(topics, database, forgotten_before=erased_before),
        outcomes,
        sends.surveys_answerable(topics, database, now, decided_since=now - installation.customer_days),
        answers.published(topics, database),
        answers.stored_by_scorer(topics, database, zone),
        answers.comments_shown(topics, database, kept=installation.comments_kept, kept_since=comments_since),
        keys.keys_of_their_own(topics, database),
        answers.day_counts(evidence.by_day, database, answers.delivered_from(topics, zone)),
        scores.published(evidence.windows, topics.scores, now, zone, installation.minimum_answers),
        scores.served(evidence.windows, evidence.served_scores, zone, installation.minimum_answers),
        cases.one_per_answer(topics, database, kept_since=cases_since),
        cases.in_right_queue(topics, database),
        cases.due_by_the_rules(topics, database),
        cases.published(topics, database, kept_since=cases_since),
        cases.served(database, evidence.served_cases),
        erasure.no_personal_data_left(topics, database),
        keys.last_is_newest(topics),
        keys.numbers_go_up(topics, database),
    ]
    if evidence.mails is not None:
        mail = sends.mail_delivered_once(
            database,
            evidence.mails.send_ids,
            complete=evidence.mails.complete,
            decided_since=max(erased_before, now - installation.customer_days),
        )
        checks.append(mail)
    waiting = sum(timer.check_at > now for timer in database.timers)
    checks.sort(key=lambda check: PROMISES.index(check.promise))
    pending = {"timers not yet due": waiting, "emails waiting for a retry": undelivered}
    return Report(checks, {name: count for name, count in pending.items() if count})
