"""The audit as a whole: wait for rest, read everything, compare everything."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import asyncpg
import httpx

from deploy.local.backends import LOST
from tools.audit import from_database, from_topics, served
from tools.audit.checks import answers, asking, cases, erasure, orders, recurring, scores, timers
from tools.audit.facts import DatabaseFacts, TopicFacts
from tools.audit.from_database import Connection
from tools.audit.log import Log
from tools.audit.report import Report
from tools.audit.rest import between_services, rest, under_way
from tools.audit.topics import Topics, UnknownTopic

TRIES = 3
"""How often it looks again when something came in while it looked."""
HTTP_SECONDS = 30
MOVED = "something came in each time it looked; run it again when less is going on."
UTC = ZoneInfo("UTC")
PROMISES = (4, 1, 2, 3)
"""In the order of the loop: what became of an order, who was asked, what was answered, what followed."""
UNREACHABLE = (*LOST, httpx.HTTPError, UnknownTopic)

T = TypeVar("T")
Progress = Callable[[str], None]


class CannotAudit(Exception):
    """The installation cannot be reached as described; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where to look. Without ``mailbox_url`` the mail that arrived is not compared."""

    kafka_bootstrap_servers: str
    database_url: str
    scorer_url: str
    alerter_url: str
    api_key: str
    mailbox_url: str | None = None
    topic_prefix: str = ""
    zone: ZoneInfo = UTC
    quiet_period: timedelta = timedelta(days=90)
    minimum_answers: int = 10

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Installation":
        """From what `.hearback/env` exports. Raises CannotAudit naming what is missing or makes no sense."""

        def needed(name: str) -> str:
            value = environment.get(name)
            if not value:
                raise CannotAudit(f"{name} is not set: start the stack with `make up`, or source its `.hearback/env`.")
            return value

        def read(name: str, default: str, how: Callable[[str], T]) -> T:
            value = environment.get(name) or default
            try:
                return how(value)
            except (ValueError, LookupError) as error:
                raise CannotAudit(f"{name} is {value!r}, which the services would not take.") from error

        return cls(
            kafka_bootstrap_servers=needed("HEARBACK_KAFKA_BOOTSTRAP_SERVERS"),
            database_url=needed("HEARBACK_DATABASE_URL"),
            scorer_url=needed("HEARBACK_SCORER_URL"),
            alerter_url=needed("HEARBACK_ALERTER_URL"),
            api_key=needed("HEARBACK_API_KEY"),
            mailbox_url=environment.get("HEARBACK_MAILBOX_URL"),
            topic_prefix=environment.get("HEARBACK_TOPIC_PREFIX", ""),
            zone=read("HEARBACK_TIMEZONE", "UTC", ZoneInfo),
            quiet_period=timedelta(days=read("HEARBACK_QUIET_PERIOD_DAYS", "90", float)),
            minimum_answers=read("HEARBACK_MINIMUM_ANSWERS", "10", int),
        )


def in_silence(_doing: str) -> None:
    """Progress for nobody."""


async def audit(installation: Installation, *, within: float = 60, progress: Progress = in_silence) -> Report:
    """Recomputes everything from the ledgers and compares it with what is served.

    Waits up to ``within`` seconds for the loop to come to rest; where it does not, the report says so and is not
    clean. Raises CannotAudit when Kafka, PostgreSQL or a service cannot be reached.
    """
    try:
        return await _audit(installation, within, progress)
    except UNREACHABLE as error:
        reason = f"{type(error).__name__} ({error})" if str(error) else type(error).__name__
        raise CannotAudit(f"Cannot audit: {reason}. Is the stack up? `make status` tells.") from error


async def _audit(installation: Installation, within: float, progress: Progress) -> Report:
    headers = {"Authorization": f"Bearer {installation.api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=HTTP_SECONDS) as client:
        connection: Connection = await asyncpg.connect(installation.database_url, timeout=30)
        try:
            for _ in range(TRIES):
                report = await _look(installation, client, connection, within, progress)
                if report.unrest != MOVED:
                    break
            return report
        finally:
            await connection.close()


async def _look(
    installation: Installation,
    client: httpx.AsyncClient,
    connection: Connection,
    within: float,
    progress: Progress,
) -> Report:
    topics = Topics(installation.kafka_bootstrap_servers, installation.topic_prefix)
    names = from_topics.watched(await topics.names())
    now = await served.now(client, installation.scorer_url)
    async with topics.ends(names) as ends:
        progress("waiting until the loop is at rest")
        moving = await rest(connection, ends, now, installation.zone, within)
        if moving:
            what = ", ".join(f"{count:,} {name}" for name, count in moving.items())
            return Report(pending=moving, unrest=f"the loop did not come to rest within {within:.0f} s: {what}.")
        before = await ends()
        progress("reading the topics")
        told = await from_topics.read_facts(topics, names)
        progress("reading the tables")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # What has come due since it was at rest may be half told in this very snapshot.
            moved = await under_way(connection, before, now, installation.zone)
            kept = await from_database.read_facts(connection, erasure.forgotten(told))
        if moved:
            return Report(unrest=MOVED)
        progress("comparing")
        report = await _compare(installation, client, told, kept)
        after = await ends()
        a_day_passed = _day(await served.now(client, installation.scorer_url), installation) != _day(now, installation)
        if after != before or a_day_passed or await between_services(connection, after):
            # What it found may be nothing but what came in between two looks.
            return Report(unrest=MOVED)
    return report


def _day(moment: datetime, installation: Installation) -> date:
    """On which scores change without an answer."""
    return moment.astimezone(installation.zone).date()


async def _compare(
    installation: Installation, client: httpx.AsyncClient, told: TopicFacts, kept: DatabaseFacts
) -> Report:
    zone = installation.zone
    log = Log.of(kept.decisions)
    delivered_from = answers.delivered_from(told, zone)
    by_day = answers.figures_by_day(told, zone)
    windows = await asyncio.to_thread(scores.Windows, by_day, delivered_from)
    given = await served.scores(client, installation.scorer_url, windows.keys)
    now = await served.now(client, installation.scorer_url)
    given_cases = await served.cases(client, installation.alerter_url)
    outcomes, on_their_way = asking.outcomes_known(told, kept)
    checks = [
        orders.accounted_for(told, kept),
        orders.unreadable_put_aside(told, kept),
        timers.timers_recomputed(told, kept, log),
        recurring.recurring_recomputed(told, kept, log),
        timers.requests_recomputed(told, kept, log),
        orders.dead_letters_published(told, kept),
        asking.quiet_periods(kept, installation.quiet_period),
        asking.sent_as_decided(told, kept),
        outcomes,
        asking.awaited_by_collector(told, kept, now),
        answers.published(told, kept),
        answers.held_by_scorer(told, kept, zone),
        answers.shown(told, kept),
        answers.counted(by_day, kept, delivered_from),
        scores.published(windows, told.scores, now, zone),
        scores.served(windows, given, zone, installation.minimum_answers),
        cases.one_each(told, kept),
        cases.in_right_queue(kept),
        cases.published(told, kept),
        cases.served(kept, given_cases),
        erasure.nothing_left(told, kept),
    ]
    if installation.mailbox_url is not None:
        mails = await served.survey_mails(client, installation.mailbox_url)
        checks.append(asking.delivered_once(kept, mails.send_ids, all_kept=mails.all_kept))
    waiting = sum(timer.due_at > now for timer in kept.timers)
    checks.sort(key=lambda check: PROMISES.index(check.promise))
    pending = {"timers for later": waiting, "mails to be tried again": on_their_way}
    return Report(checks, {name: count for name, count in pending.items() if count})
