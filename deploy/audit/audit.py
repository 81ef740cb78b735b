"""The audit as a whole: wait for rest, read everything, compare everything."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import httpx

from deploy.audit import from_database, from_topics, served
from deploy.audit.checks import answers, asking, cases, erasure, orders, scores
from deploy.audit.facts import DatabaseFacts, TopicFacts
from deploy.audit.report import Report
from deploy.audit.rest import rest
from deploy.audit.topics import Topics

TRIES = 3
"""How often it looks again when something came in while it looked."""
HTTP_SECONDS = 30
MOVED = "something came in each time it looked; run it again when less is going on."
UTC = ZoneInfo("UTC")


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

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Installation":
        """From what `.hearback/env` exports. Raises CannotAudit naming what is missing."""

        def needed(name: str) -> str:
            value = environment.get(name)
            if not value:
                raise CannotAudit(f"{name} is not set: start the stack with `make up`, or source its `.hearback/env`.")
            return value

        return cls(
            kafka_bootstrap_servers=needed("HEARBACK_KAFKA_BOOTSTRAP_SERVERS"),
            database_url=needed("HEARBACK_DATABASE_URL"),
            scorer_url=needed("HEARBACK_SCORER_URL"),
            alerter_url=needed("HEARBACK_ALERTER_URL"),
            api_key=needed("HEARBACK_API_KEY"),
            mailbox_url=environment.get("HEARBACK_MAILBOX_URL"),
            topic_prefix=environment.get("HEARBACK_TOPIC_PREFIX", ""),
            zone=ZoneInfo(environment.get("HEARBACK_TIMEZONE") or "UTC"),
            quiet_period=timedelta(days=float(environment.get("HEARBACK_QUIET_PERIOD_DAYS") or 90)),
        )


Progress = Callable[[str], None]


def in_silence(_doing: str) -> None:
    """Progress for nobody."""


async def audit(installation: Installation, *, within: float = 60, progress: Progress = in_silence) -> Report:
    """Recomputes everything from the ledgers and compares it with what is served.

    Waits up to ``within`` seconds for the loop to come to rest; where it does not, the report says so and is not
    clean. Raises CannotAudit when Kafka, PostgreSQL or a service cannot be reached.
    """
    headers = {"Authorization": f"Bearer {installation.api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=HTTP_SECONDS) as client:
        report = Report()
        for _ in range(TRIES):
            report = await _look(installation, client, within, progress)
            if report.unrest != MOVED:
                break
        return report


async def _look(installation: Installation, client: httpx.AsyncClient, within: float, progress: Progress) -> Report:
    topics = Topics(installation.kafka_bootstrap_servers, installation.topic_prefix)
    names = from_topics.watched(await topics.names())
    now = await served.now(client, installation.scorer_url)
    async with topics.ends(names) as ends:
        progress("waiting until the loop is at rest")
        moving = await rest(installation.database_url, ends, now, within)
        if moving:
            what = ", ".join(f"{count:,} {name}" for name, count in moving.items())
            return Report(pending=moving, unrest=f"the loop did not come to rest within {within:.0f} s: {what}.")
        before = await ends()
        progress("reading the topics")
        told = await from_topics.read_facts(topics, names)
        progress("reading the tables")
        kept = await from_database.read_facts(installation.database_url, erasure.forgotten(told))
        progress("comparing")
        report = await _compare(installation, client, told, kept)
        if await ends() != before:
            report.unrest = MOVED
    return report


async def _compare(
    installation: Installation, client: httpx.AsyncClient, told: TopicFacts, kept: DatabaseFacts
) -> Report:
    zone = installation.zone
    windows = await asyncio.to_thread(scores.Windows, answers.count_by_day(told, zone))
    given = await served.scores(client, installation.scorer_url, windows.keys)
    now = await served.now(client, installation.scorer_url)
    given_cases = await served.cases(client, installation.alerter_url)
    outcomes, on_their_way = asking.outcomes_known(told, kept)
    checks = [
        orders.accounted_for(told, kept),
        orders.timers_recomputed(told, kept),
        orders.dead_letters_published(told, kept),
        asking.quiet_periods(kept, installation.quiet_period),
        asking.sent_as_decided(told, kept),
        outcomes,
        answers.published(told, kept),
        answers.held_by_scorer(told, kept, zone),
        answers.counted(told, kept, zone),
        scores.published(windows, told.scores, now, zone),
        scores.served(windows, given, zone),
        cases.one_each(told, kept),
        cases.in_right_queue(kept),
        cases.published(told, kept),
        cases.served(kept, given_cases),
        erasure.nothing_left(told, kept),
    ]
    if installation.mailbox_url is not None:
        arrived = await served.survey_mails(client, installation.mailbox_url)
        checks.insert(6, asking.delivered_once(kept, arrived))
    waiting = sum(timer.due_at > now for timer in kept.timers)
    pending = {"timers for later": waiting, "mails to be tried again": on_their_way}
    return Report(checks, {name: count for name, count in pending.items() if count})
