"""The audit on the real ledgers: it finds and names damage in any of them, and nothing once it is repaired."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex

import asyncpg
import pytest

from shared.contracts import requests
from tests.acceptance.product import DAY, Buyer, Product
from tools.audit.audit import CannotAudit
from tools.audit.from_database import Connection
from tools.simulation.shop import ShopBackend
from tools.simulation.shop_event import ShopEvent


@dataclass(frozen=True)
class Damage:
    """One statement that damages a table. {buyer}, {answer}, {send} are ids of the scenario below."""

    check: str
    table: str
    statement: str
    named: str = ""
    """A part of the sentence with which the audit must report it."""


TIMERS, DECISIONS, SENDS = "dispatcher.timers", "dispatcher.decisions", "dispatcher.sends"
CASES, DAY_COUNTS, ANSWERS = "alerter.cases", "scorer.day_counts", "scorer.answers"
OF_PRODUCT = "campaign = 'product-nps' AND customer_id = '{buyer}'"
RECURRING = "cause = 'recurrence' AND customer_id = '{buyer}'"
OF_CASE = "answer->>'answer_id' = '{answer}'"
EVERYBODY = "segment_id = 0 AND campaign_id IN (SELECT id FROM scorer.campaigns WHERE name = 'service-nps')"
"""Damage to one campaign affects ten windows, its own and those of all campaigns: as many as an audit lists."""
A_DAY = "interval '1 day'"

DAMAGES = [
    Damage(
        "order events accounted for",
        DECISIONS,
        f"DELETE FROM {DECISIONS} WHERE customer_id = '{{buyer}}' AND event_type = 'order.placed'",
        "order.placed of /shop has 0 decisions",
    ),
    Damage(
        "order events accounted for",
        DECISIONS,
        f"UPDATE {DECISIONS} SET occurred_at = occurred_at + {A_DAY} WHERE customer_id = '{{buyer}}'",
        "has a decision that does not match the event",
    ),
    Damage(
        "order events accounted for",
        DECISIONS,
        f"DELETE FROM {DECISIONS} WHERE event_type = 'survey.requested' AND customer_id = '{{buyer}}'",
        "event request-{buyer} of /desk has 0 decisions",
    ),
    Damage(
        "timers recomputed", TIMERS, f"DELETE FROM {TIMERS} WHERE {OF_PRODUCT}",
        "product-nps about order {buyer}-1: due at",
    ),
    Damage(
        "timers recomputed",
        TIMERS,
        f"UPDATE {TIMERS} SET milestone_at = milestone_at + {A_DAY}, due_at = due_at + {A_DAY} WHERE {OF_PRODUCT}",
        "its timer says",
    ),
    Damage(
        "timers recomputed", TIMERS, f"UPDATE {TIMERS} SET due_at = due_at + {A_DAY} WHERE {OF_PRODUCT}",
        "to be checked at",
    ),
    Damage(
        "timers recomputed", TIMERS, f"UPDATE {TIMERS} SET customer_id = 'stranger' WHERE {OF_PRODUCT}",
        "has an id that does not match its fields",
    ),
    Damage(
        "recurring timers recomputed", TIMERS, f"DELETE FROM {TIMERS} WHERE {RECURRING}",
        "relationship-nps of customer {buyer}: due at",
    ),
    Damage(
        "recurring timers recomputed",
        TIMERS,
        f"UPDATE {TIMERS} SET milestone_at = milestone_at + {A_DAY}, due_at = due_at + {A_DAY} WHERE {RECURRING}",
        "its timer says",
    ),
    Damage(
        "recurring timers recomputed", TIMERS, f"UPDATE {TIMERS} SET due_at = due_at + {A_DAY} WHERE {RECURRING}",
        "to be checked at",
    ),
    Damage(
        "requested surveys recomputed",
        TIMERS,
        f"DELETE FROM {TIMERS} WHERE cause = 'request' AND customer_id = '{{buyer}}'",
        "request request-{buyer} was accepted",
    ),
    Damage(
        "dead letters published",
        "scorer.dead_letters",
        "INSERT INTO scorer.dead_letters (consumer, topic, partition, record_offset, reason)"
        " VALUES ('scorer', 'surveys.answers', 0, 999999, 'x')",
        "is not on its topic",
    ),
    Damage(
        "quiet periods kept",
        SENDS,
        f"INSERT INTO {SENDS} SELECT gen_random_uuid(), gen_random_uuid(), campaign, campaign_version, customer_id,"
        " 'another', channel, due_at, sent_at + interval '89 days', expires_at"
        f" FROM {SENDS} WHERE customer_id = '{{buyer}}'",
        "89 days, 0:00:00 apart",
    ),
    Damage(
        "sends match decisions", SENDS, f"DELETE FROM {SENDS} WHERE send_id = '{{send}}'",
        "send {send} was published, but never decided",
    ),
    Damage(
        "sends match decisions",
        SENDS,
        f"UPDATE {SENDS} SET expires_at = expires_at + {A_DAY} WHERE send_id = '{{send}}'",
        "send {send}: recomputed",
    ),
    Damage(
        "sends match decisions",
        DECISIONS,
        f"UPDATE {DECISIONS} SET outcome = 'skipped' WHERE outcome = 'sent' AND customer_id = '{{buyer}}'",
        "send {send} has no verdict in the decision log",
    ),
    Damage(
        "every send has one outcome",
        "dispatcher.deliveries",
        "UPDATE dispatcher.deliveries SET state = 'bounced' WHERE send_id = '{send}'",
        "the outcome of send {send}",
    ),
    Damage(
        "every send has one outcome",
        "dispatcher.deliveries",
        "DELETE FROM dispatcher.deliveries WHERE send_id = '{send}'",
        "send {send} is unknown to the courier",
    ),
    Damage(
        "sent surveys can be answered",
        "collector.sends",
        "DELETE FROM collector.sends WHERE send_id = '{send}'",
        "send {send} is unknown to the collector",
    ),
    Damage(
        "sent surveys can be answered",
        "collector.sends",
        "UPDATE collector.sends SET segments = '{{}}' WHERE send_id = '{send}'",
        "send {send}: recomputed",
    ),
    Damage(
        "mail delivered once",
        "dispatcher.deliveries",
        "INSERT INTO dispatcher.deliveries (send_id, state, message_id, campaign, expires_at)"
        " VALUES ('lost', 'accepted', 'lost@shop.example', 'service-nps', now())",
        "the email of send lost was accepted, but did not arrive",
    ),
    Damage(
        "acknowledged answers are published",
        "collector.answers",
        "UPDATE collector.answers SET body = jsonb_set(body, '{{score}}', '3') WHERE answer_id = '{answer}'",
        "answer {answer}",
    ),
    Damage(
        "acknowledged answers are published",
        "collector.answers",
        "UPDATE collector.answers SET body = jsonb_set(body, '{{channel}}', '\"sms\"') WHERE answer_id = '{answer}'",
        "answer {answer}",
    ),
    Damage(
        "acknowledged answers are published",
        "collector.answers",
        "DELETE FROM collector.answers WHERE answer_id = '{answer}'",
        "answer {answer}: recomputed None",
    ),
    Damage(
        "published answers are in the scorer",
        ANSWERS,
        f"UPDATE {ANSWERS} SET score = 10 WHERE key = '{{answer}}'",
        "answer {answer}",
    ),
    Damage(
        "published answers are in the scorer",
        ANSWERS,
        f"UPDATE {ANSWERS} SET score = NULL, erased_group = 'detractor' WHERE key = '{{answer}}'",
        "answer {answer}",
    ),
    Damage(
        "published answers are in the scorer",
        ANSWERS,
        f"UPDATE {ANSWERS} SET segment_ids = segment_ids[1:1] WHERE key = '{{answer}}'",
        "answer {answer}",
    ),
    Damage(
        "comments match answers",
        "scorer.comments",
        "UPDATE scorer.comments SET comment = 'Splendid' WHERE key = '{answer}'",
        "the comment of answer {answer}",
    ),
    *(
        Damage(
            "counts per day and segment",
            DAY_COUNTS,
            f"UPDATE {DAY_COUNTS} SET {column} = {column} + 1 WHERE {EVERYBODY} AND {column} > 0",
            ":everybody of service-nps",
        )
        for column in ("detractors", "answered", "delivered")
    ),
    *(
        Damage(
            "scores served over HTTP",
            DAY_COUNTS,
            f"UPDATE {DAY_COUNTS} SET {column} = {column} + 1 WHERE {EVERYBODY} AND {column} > 0",
            "everybody of service-nps in 30d: " + words,
        )
        for column, words in (
            ("detractors", "recomputed Counts"), ("answered", "response_rate"), ("delivered", "delivered")
        )
    ),
    Damage(
        "one case per answer",
        CASES,
        f"UPDATE {CASES} SET answer = jsonb_set(answer, '{{{{score}}}}', '3') WHERE {OF_CASE}",
        "is about score 3",
    ),
    Damage(
        "one case per answer",
        CASES,
        f"UPDATE {CASES} SET answer = jsonb_set(answer, '{{{{comment}}}}', '\"Fine\"') WHERE {OF_CASE}",
        "shows a different comment",
    ),
    Damage(
        "one case per answer", CASES, f"UPDATE {CASES} SET case_id = 'another' WHERE {OF_CASE}",
        "case another belongs to no answer",
    ),
    Damage(
        "every detractor in the right queue", CASES, f"UPDATE {CASES} SET queue = 'passives' WHERE {OF_CASE}",
        "is in passives, not detractors",
    ),
    Damage(
        "published cases", CASES, f"UPDATE {CASES} SET due_at = due_at + {A_DAY} WHERE {OF_CASE}",
        "on followups.detractors",
    ),
    Damage(
        "published cases", CASES, f"UPDATE {CASES} SET owner = 'nobody' WHERE {OF_CASE}", "on followups.detractors"
    ),
    Damage(
        "no personal data of erased customers",
        "dispatcher.campaigns",
        "UPDATE dispatcher.campaigns SET brand = jsonb_set(brand, '{{name}}', '\"{gone}@customers.example\"')",
        "an address of the erased customer {gone} is still in dispatcher.campaigns",
    ),
]  # fmt: skip


@dataclass
class Story:
    """The data to damage: an unhappy customer who will be asked again, and one who was erased."""

    buyer: Buyer = field(default_factory=Buyer)
    gone: Buyer = field(default_factory=Buyer)
    names: dict[str, str] = field(default_factory=dict)

    async def happens(self, product: Product) -> None:
        mail = await product.surveyed(self.buyer)
        given = await product.answer(mail, 2, "Too late")
        await product.case(given, lambda case: case["queue"] == "detractors")
        await product.tell("order.delivered", self.buyer, f"{self.buyer.id}-1")
        await self._is_requested(product)
        await product.surveyed(self.gone)
        await product.tell("order.delivered", self.gone, f"{self.gone.id}-1")
        await product.dispatcher.wait_until_consumed()
        await product.staff.delete(f"{product.stack.url('collector')}/v1/customers/{self.gone.id}")
        self.names = {
            "buyer": self.buyer.id, "gone": self.gone.id, "answer": given.answer_id, "send": mail.send_id
        }  # fmt: skip

    async def _is_requested(self, product: Product) -> None:
        now = product.clock.now()
        request = f"request-{self.buyer.id}"
        body = {
            "request_id": request, "customer_id": self.buyer.id, "campaign": "service-nps", "requested_by": "support",
            "requested_at": now.isoformat(), "not_before": (now + 200 * DAY).isoformat(),
        }  # fmt: skip
        stack = product.stack
        async with ShopBackend(
            stack.kafka_bootstrap_servers, source="/desk", topic_prefix=stack.topic_prefix, topic=requests.TOPIC
        ) as desk:
            await desk.publish(
                [ShopEvent(id=request, type=requests.REQUESTED, occurred_at=now, customer_id=self.buyer.id, body=body)]
            )


@asynccontextmanager
async def damaged(connection: Connection, damage: Damage, names: dict[str, str]) -> AsyncIterator[None]:
    """Within the block the table is damaged; afterwards it is restored."""
    saved = f"saved_{token_hex(4)}"
    await connection.execute(f"CREATE TEMPORARY TABLE {saved} AS TABLE {damage.table}")
    done = await connection.execute(damage.statement.format(**names))
    try:
        assert not done.endswith(" 0"), damage
        yield
    finally:
        async with connection.transaction():
            await connection.execute(f"DELETE FROM {damage.table}")
            await connection.execute(f"INSERT INTO {damage.table} OVERRIDING SYSTEM VALUE TABLE {saved}")
            await connection.execute(f"DROP TABLE {saved}")


def rounds() -> Iterator[Sequence[Damage]]:
    """Damages that can be applied together without hiding one another."""
    left = list(DAMAGES)
    while left:
        together: list[Damage] = []
        for damage in left:
            if not any(_may_hide(damage, other) for other in together):
                together.append(damage)
        yield together
        left = [damage for damage in left if damage not in together]


def _may_hide(one: Damage, other: Damage) -> bool:
    """Whether both are found by one check, or one is part of what the other is recomputed from."""
    tables = {one.table, other.table}
    if one.check == other.check or tables in ({DECISIONS, TIMERS}, {SENDS, "dispatcher.deliveries"}):
        return True
    return len(tables) == 1 and tables != {TIMERS}  # each check's timers are other rows


async def test_each_damage_is_found_and_named(product: Product) -> None:
    story = Story()
    await story.happens(product)
    report = await product.audited()
    assert report.clean, report
    connection = await asyncpg.connect(product.stack.database.owner_url)
    # A corrupt disk does not respect foreign keys.
    await connection.execute("SET session_replication_role = replica")
    try:
        for together in rounds():
            async with AsyncExitStack() as undone:
                for damage in together:
                    await undone.enter_async_context(damaged(connection, damage, story.names))
                report = await product.audited()
            for damage in together:
                sentences = report.check(damage.check).examples
                assert any(damage.named.format(**story.names) in sentence for sentence in sentences), (
                    damage.named,
                    sentences,
                )
    finally:
        await connection.close()
    report = await product.audited()
    assert report.clean, report


@pytest.mark.parametrize(
    ("name", "nowhere"),
    [
        ("HEARBACK_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9"),
        ("HEARBACK_DATABASE_URL", "postgresql://hearback@127.0.0.1:9/hearback"),
        ("HEARBACK_SCORER_URL", "http://127.0.0.1:9"),
        ("HEARBACK_ALERTER_URL", "http://127.0.0.1:9"),
        ("HEARBACK_MAILBOX_URL", "http://127.0.0.1:9"),
        ("HEARBACK_API_KEY", "stolen"),
    ],
)
async def test_what_cannot_be_reached_gets_no_verdict(product: Product, name: str, nowhere: str) -> None:
    with pytest.raises(CannotAudit):
        await product.audited(**{name: nowhere})
