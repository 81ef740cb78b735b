"""A mailbox that does not exist, as the mail server says of its recipient (550 5.1.1): nobody writes there again."""

import json
from dataclasses import dataclass
from typing import Any

from shared.contracts import preferences
from tests.acceptance.product import DAY, HOUR, Buyer, Product
from tests.kit.eventually import eventually
from tests.kit.settings import kafka_at
from tools.audit.topics import Topics


@dataclass
class Gone(Buyer):
    """The local mailbox refuses this recipient with 550 5.1.1, until they give another address."""

    moved: bool = False

    @property
    def address(self) -> str:
        return f"{'new' if self.moved else 'bounce'}-{self.id}@customers.example"


async def told(product: Product, topic: str, of: str) -> list[tuple[str, dict[str, Any]]]:
    """Type and body of what a topic says about a customer or a survey, in order."""
    topics = Topics(kafka_at(product.stack.kafka_bootstrap_servers), prefix=product.stack.topic_prefix)
    records = [record async for record in topics.read([topic]) if record.key == of.encode() and record.value]
    return [(record.header("ce_type") or "", json.loads(record.value or b"")) for record in records]


async def refused(product: Product, buyer: Gone) -> list[tuple[str, dict[str, Any]]]:
    """Their survey is refused; returns what is said of their preferences, by way of the courier and the collector."""
    await product.order(buyer)
    await product.after(HOUR)
    # The server accepts another message after it, so that what it said is about the recipient and not about us.
    await product.surveyed(Buyer())
    return await eventually(lambda: told(product, preferences.TOPIC, buyer.id), "a preference", every=0.5)


async def test_who_has_no_mailbox_is_remembered_and_was_not_asked(product: Product) -> None:
    buyer = Gone()
    said = await refused(product, buyer)
    ((kind, body),) = said
    assert kind == preferences.BOUNCED
    (email,) = [each for each in body["channels"] if each["channel"] == "email"]
    assert email["state"] == "bounced" and buyer.address not in str(body)
    sent = [each for each in await product.decisions(buyer) if each["outcome"] == "sent"]
    assert len(sent) == 1

    # Not to that address again: neither soon nor after the quiet period.
    await product.audited()
    for length in (DAY, 91 * DAY):
        await product.after(length)
        order_id = await product.order(buyer)
        await product.after(HOUR)
        (latest,) = [
            each
            for each in await product.decisions(buyer)
            if each["order_id"] == order_id and each["outcome"] == "skipped"
        ]
        assert latest["reason"] == "bounced"
    assert await product.mails(buyer) == []
    assert await told(product, preferences.TOPIC, buyer.id) == said


async def test_the_quiet_period_does_not_count_from_a_survey_that_bounced(product: Product) -> None:
    buyer = Gone()
    await refused(product, buyer)
    await product.audited()

    buyer.moved = True
    await product.after(DAY)
    await product.order(buyer)
    await product.after(HOUR)
    mail = await product.mail(buyer)
    await product.answer(mail, 9)
    await product.score(buyer.segment, 1)

    # That one arrived, and counts.
    await product.after(DAY)
    order_id = await product.order(buyer)
    await product.after(HOUR)
    assert len(await product.mails(buyer)) == 1
    reasons = {each["reason"] for each in await product.decisions(buyer) if each["order_id"] == order_id}
    assert reasons & {"quiet_period", "expired"}
    report = await product.audited()
    assert report.clean, report
