"""The audit on the real ledgers: it finds and names damage in any of them, and nothing once it is repaired.

Tables are damaged within transactions that are rolled back: everything else was gathered once. What can be seen only
from outside, on topics and over HTTP, is damaged for real.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from shared.contracts import answers, requests
from shared.contracts.topics import CATALOGUE
from tests.acceptance.product import DAY, Buyer, Product
from tests.kit.settings import kafka_at
from tools.audit.audit import CannotAudit, Evidence, compared, gather
from tools.audit.from_database import Connection, read_facts
from tools.audit.records import Record
from tools.audit.report import Report
from tools.audit.topics import Topics
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
    Damage(
        "counts per day and segment",
        "scorer.day_changes",
        "INSERT INTO scorer.day_changes"
        " (segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered)"
        f" SELECT segment_id, campaign_id, day, 0, 0, 1, 0, 0 FROM {DAY_COUNTS} WHERE {EVERYBODY} LIMIT 1",
        ":everybody of service-nps",
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
        "deadlines follow the routing rules", CASES, f"UPDATE {CASES} SET due_at = due_at + {A_DAY} WHERE {OF_CASE}",
        "and by the rules",
    ),
    Damage(
        "published cases", CASES, f"UPDATE {CASES} SET due_at = due_at + {A_DAY} WHERE {OF_CASE}",
        "on followups.detractors",
    ),
    Damage(
        "published cases", CASES, f"UPDATE {CASES} SET owner = 'nobody' WHERE {OF_CASE}", "on followups.detractors"
    ),
    Damage(
        "comments match answers", "scorer.comments", "DELETE FROM scorer.comments WHERE key = '{answer}'",
        "the comment of answer {answer} is not shown",
    ),
    Damage(
        "nobody is asked against their will",
        "dispatcher.customers",
        "UPDATE dispatcher.customers SET preference_revision = 1, channels = jsonb_build_array(jsonb_build_object("
        " 'channel', 'email', 'state', 'unsubscribed', 'changed_at', '2025-12-31T00:00:00Z'))"
        " WHERE customer_id = '{buyer}'",
        "send {send} was decided at",
    ),
    Damage(
        "preferences are known where surveys are decided",
        "dispatcher.customers",
        "UPDATE dispatcher.customers SET preference_revision = 0 + 7 WHERE customer_id = '{gone}'",
        "the preferences of customer {gone}",
    ),
    Damage(
        "sent surveys were due",
        SENDS,
        f"UPDATE {SENDS} SET due_at = due_at - {A_DAY} WHERE send_id = '{{send}}'",
        "send {send} of service-nps, when it was due",
    ),
    Damage(
        "no number goes back", "dispatcher.campaigns", "UPDATE dispatcher.campaigns SET version = version + 1",
        "the number of service-nps on surveys.campaigns",
    ),
    Damage(
        "no number goes back", "scorer.scores", "UPDATE scorer.scores SET sequence = sequence - 1 WHERE segment_id = 0",
        "everybody on nps.scores",
    ),
    Damage(
        "no number goes back",
        "scorer.consumer_positions",
        "UPDATE scorer.consumer_positions SET next_offset = next_offset + 1 WHERE topic = 'surveys.answers'",
        "the scorer has handled surveys.answers",
    ),
    Damage(
        "no personal data of erased customers",
        "dispatcher.customers",
        "UPDATE dispatcher.customers SET details = (SELECT details FROM dispatcher.customers"
        " WHERE customer_id = '{buyer}') WHERE customer_id = '{gone}'",
        "customer {gone} was erased and has no order from afterwards",
    ),
    Damage(
        "no personal data of erased customers",
        "collector.sends",
        "UPDATE collector.sends SET customer_id = '{gone}' WHERE send_id = '{send}'",
        "the id of the erased customer {gone} is still in collector.sends",
    ),
    Damage(
        "no personal data of erased customers",
        "scorer.comments",
        "UPDATE scorer.comments SET comment = 'wrote from {gone}@customers.example, again' WHERE key = '{answer}'",
        "an address of the erased customer {gone} is still in scorer.comments",
    ),
    Damage(
        "no personal data of erased customers",
        "alerter.cases",
        "UPDATE alerter.cases SET answer = jsonb_set(answer, '{{comment}}', '\"Never again\"')"
        " WHERE answer->>'answer_id' = '{answer}'",
        "a comment of the erased customer {gone} is still in alerter.cases",
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
        await product.answer(mail, 2, "Much too late")
        await product.case(given, lambda case: case["answer"]["revision"] == 2)
        await product.tell("order.delivered", self.buyer, f"{self.buyer.id}-1")
        await self._is_requested(product)
        await product.answer(await product.surveyed(self.gone), 8, "Never again")
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
    """Within the block, this connection sees the table damaged; nobody else ever does."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        done = await connection.execute(damage.statement.format(**names))
        assert not done.endswith(" 0"), damage
        yield
    finally:
        await transaction.rollback()


@asynccontextmanager
async def story(product: Product) -> AsyncIterator[tuple[Connection, dict[str, str]]]:
    """A connection that may damage anything, and the ids of what happened; the audit is clean before and after."""
    told = Story()
    await told.happens(product)
    report = await product.audited()
    assert report.clean, report
    connection = await asyncpg.connect(product.stack.database.owner_url)
    # A corrupt disk does not respect foreign keys.
    await connection.execute("SET session_replication_role = replica")
    try:
        yield connection, told.names
    finally:
        await connection.close()
    report = await product.audited()
    assert report.clean, report


def assert_named(report: Report, check: str, named: str) -> None:
    sentences = report.check(check).examples
    assert any(named in sentence for sentence in sentences), (named, sentences)


async def test_each_damage_is_found_and_named(product: Product) -> None:
    # Else markers might be appended, and passed by consumers, after the ends were gathered.
    await product.marked([topic.name for topic in CATALOGUE if topic.compacted])
    async with story(product) as (connection, names):
        evidence = await gather(product.installation())
        assert isinstance(evidence, Evidence)
        for damage in DAMAGES:
            async with damaged(connection, damage, names):
                database = await read_facts(connection, evidence.topics)
            report = compared(replace(evidence, database=database), product.installation())
            assert_named(report, damage.check, damage.named.format(**names))


SERVED = f"""
    UPDATE {DAY_COUNTS} SET delivered = delivered + %s, answered = answered + %s, detractors = detractors + %s
    WHERE {EVERYBODY} AND delivered > 0
"""


async def test_what_is_wrong_on_topics_and_over_http_is_found_and_named(product: Product) -> None:
    async with story(product) as (connection, names):
        old, new = await records_of(product, answers.TOPIC, names["answer"])
        try:
            await connection.execute(SERVED % (2, 1, 0))
            await publish(product, answers.TOPIC, old)
            report = await product.audited()
            assert_named(report, "the last record of a key is its newest", f"{names['answer']} on surveys.answers")
            assert_named(report, "scores served over HTTP", "everybody of service-nps in 30d: delivered")
        finally:
            await publish(product, answers.TOPIC, new)
            await connection.execute(SERVED % (-2, -1, 0))


async def records_of(product: Product, topic: str, key: str) -> list[Record]:
    """Every record of a key, first to last."""
    topics = Topics(kafka_at(product.stack.kafka_bootstrap_servers), prefix=product.stack.topic_prefix)
    return [record async for record in topics.read([topic]) if record.key == key.encode()]


async def publish(product: Product, topic: str, record: Record) -> None:
    """As it was published before."""
    async with AIOKafkaProducer(bootstrap_servers=product.stack.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(
            product.stack.topic_prefix + topic, record.value, key=record.key, headers=list(record.headers)
        )


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
