"""The audit on the real ledgers: what is damaged in one of them, it finds; what is mended, it finds no more."""

import asyncpg

from tests.acceptance.product import Buyer, Product

# Damage, how it is undone, and the check that must notice. {buyer} is the customer, {answer} the answer's id.
DAMAGES = {
    "a count too many": (
        "UPDATE scorer.day_counts SET promoters = promoters + 1 WHERE segment_id = 0",
        "UPDATE scorer.day_counts SET promoters = promoters - 1 WHERE segment_id = 0",
        "counts a day and segment",
    ),
    "an answer counted as another": (
        "UPDATE scorer.answers SET score = 10 WHERE key = '{answer}'",
        "UPDATE scorer.answers SET score = 2 WHERE key = '{answer}'",
        "published answers are in the scorer",
    ),
    "an acknowledged answer that changed": (
        "UPDATE collector.answers SET body = jsonb_set(body, '{{score}}', '3') WHERE answer_id = '{answer}'",
        "UPDATE collector.answers SET body = jsonb_set(body, '{{score}}', '2') WHERE answer_id = '{answer}'",
        "acknowledged answers are published",
    ),
    "a decision about another event": (
        "UPDATE dispatcher.decisions SET event_id = event_id || '!' WHERE customer_id = '{buyer}' AND event_id <> ''",
        "UPDATE dispatcher.decisions SET event_id = rtrim(event_id, '!') WHERE customer_id = '{buyer}'",
        "order events accounted for",
    ),
    "a survey sent too soon after another": (
        """
        INSERT INTO dispatcher.sends
        SELECT gen_random_uuid(), gen_random_uuid(), campaign, campaign_version, customer_id, 'another', channel,
               due_at, sent_at + interval '89 days', expires_at
        FROM dispatcher.sends WHERE customer_id = '{buyer}'
        """,
        "DELETE FROM dispatcher.sends WHERE customer_id = '{buyer}' AND order_id = 'another'",
        "quiet periods kept",
    ),
    "an outcome nobody published": (
        "UPDATE dispatcher.deliveries SET state = 'bounced' WHERE send_id = '{send}'",
        "UPDATE dispatcher.deliveries SET state = 'accepted' WHERE send_id = '{send}'",
        "every send has its outcome",
    ),
    "a detractor in the wrong queue": (
        "UPDATE alerter.cases SET queue = 'passives' WHERE answer->>'answer_id' = '{answer}'",
        "UPDATE alerter.cases SET queue = 'detractors' WHERE answer->>'answer_id' = '{answer}'",
        "every detractor in the right queue",
    ),
}


async def test_each_damage_is_found(product: Product) -> None:
    buyer = Buyer()
    mail = await product.surveyed(buyer)
    given = await product.answer(mail, 2)
    await product.case(given, lambda case: case["queue"] == "detractors")
    assert (await product.audited()).clean

    names = {"buyer": buyer.id, "answer": given.answer_id, "send": mail.send_id}
    connection = await asyncpg.connect(product.stack.database.owner_url)
    try:
        for damage, undo, check in DAMAGES.values():
            await connection.execute(damage.format(**names))
            try:
                report = await product.audited()
            finally:
                await connection.execute(undo.format(**names))
            assert not report.clean
            assert report.check(check).differences > 0, (check, report)
    finally:
        await connection.close()
    assert (await product.audited()).clean
