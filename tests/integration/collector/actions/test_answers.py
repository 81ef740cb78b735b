"""An answer is acknowledged once it is stored with its event, and never before."""

from tests.integration.collector.kit import ONE_CLICK, Collector, broken


async def test_an_answer_is_taken_while_nothing_can_be_published(collector: Collector) -> None:
    """No relay runs, as if there were no broker: acknowledged answers wait in the outbox."""
    page = await collector.send()
    assert (await collector.client.post(page, json={"score": 4})).status_code == 202
    assert (await collector.post_answer(answer_id="a-1", score=9)).status_code == 202
    assert [event.type for event in await collector.outbox()] == ["answer.recorded", "answer.recorded"]


async def test_a_failing_outbox_acknowledges_nothing(collector: Collector) -> None:
    """State and event are one transaction: an answer without its event must not exist."""
    page = await collector.send()
    async with broken(collector, "ALTER TABLE outbox RENAME TO away", "ALTER TABLE away RENAME TO outbox"):
        assert (await collector.client.post(page, json={"score": 4})).status_code == 503
        assert (await collector.client.post(page, data={"score": "4"})).status_code == 503
        assert (await collector.post_answer(score=4)).status_code == 503
        assert (await collector.client.post(collector.unsubscribe_page(), data=ONE_CLICK)).status_code == 503
        assert (await collector.erase("c-42")).status_code == 503
    assert await collector.count("answers") == await collector.count("preferences") == 0
    assert (await collector.client.get(page)).status_code == 200
