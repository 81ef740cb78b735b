"""The loop from an order to a case, as a shop, its customers and its staff see it. Every test ends in a clean audit."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from tests.acceptance.product import DAY, HOUR, Buyer, Product
from tests.kit.eventually import eventually


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def books_balance(product: Product) -> AsyncIterator[None]:
    """The audit covers everything since the stack was started, whatever the tests did."""
    yield
    report = await product.audited()
    assert report.clean, report


async def test_an_unhappy_customer_becomes_a_score_and_a_case(product: Product) -> None:
    buyer = Buyer()
    order_id = await product.order(buyer, channel="web")
    await product.after(HOUR - timedelta(seconds=1))
    assert await product.mails(buyer) == []
    await product.after(timedelta(seconds=1))
    mail = await product.mail(buyer)
    assert len(mail.answer_links) == 11

    given = await product.answer(mail, 3, "Came late.\nAnd broken 😞")

    score = await product.score(buyer.segment, 1)
    assert (score["nps"], score["detractors"], score["held_back"]) == (-100, 1, True)
    case = await product.case(given, lambda case: case["queue"] == "detractors")
    assert case["answer"]["comment"] == "Came late.\nAnd broken 😞"
    assert (case["order"]["order_id"], case["customer"]["email"]) == (order_id, buyer.address)
    assert case["due_at"] is not None and case["status"] == "open"


async def test_opening_every_link_is_no_answer(product: Product) -> None:
    buyer = Buyer()
    mail = await product.surveyed(buyer)
    for link in mail.links:
        for method in ("HEAD", "GET"):
            await product.visitors.request(method, link, follow_redirects=True)
    await product.after(HOUR)
    assert (await product.score(buyer.segment, 0))["nps"] is None
    # Nor did it unsubscribe anybody: an answer is accepted as usual, and the next survey arrives.
    await product.answer(mail, 10)
    await product.score(buyer.segment, 1)
    await product.after(91 * DAY)
    await product.order(buyer)
    await product.after(HOUR)
    await product.mail(buyer, 2)


async def test_who_changes_their_mind_moves_from_queue_to_queue(product: Product) -> None:
    buyer = Buyer()
    mail = await product.surveyed(buyer)
    given = await product.answer(mail, 0)
    await product.case(given, lambda case: case["queue"] == "detractors")
    again = await product.answer(mail, 10)
    assert (again.answer_id, again.revision) == (given.answer_id, 2)
    score = await eventually(
        lambda: product.get("scorer", "/v1/nps", segment=buyer.segment), "100", wanted=lambda score: score["nps"] == 100
    )
    assert (score["n"], score["promoters"]) == (1, 1)
    await product.case(given, lambda case: case["queue"] == "promoters")


async def test_the_same_said_twice_is_said_once(product: Product) -> None:
    buyer = Buyer()
    mail = await product.surveyed(buyer)
    first = await product.answer(mail, 8, "Fine")
    assert await product.answer(mail, 8, "Fine") == first
    await product.score(buyer.segment, 1)


async def test_an_answer_counts_once_in_each_of_its_categories(product: Product) -> None:
    buyer = Buyer()
    mail = await product.surveyed(buyer)
    before = {name: await product.get("scorer", "/v1/nps", segment=f"category:{name}") for name in ("kitchen", "toys")}
    await product.answer(mail, 9)
    for name, score in before.items():
        await product.score(f"category:{name}", score["n"] + 1)


async def test_a_cancelled_order_is_never_asked_about(product: Product) -> None:
    buyer = Buyer()
    order_id = await product.order(buyer)
    await product.tell("order.cancelled", buyer, order_id)
    await product.after(2 * HOUR)
    assert await product.mails(buyer) == []
    decisions = await product.decisions(buyer)
    assert decisions[0]["reason"] == "order_cancelled"


async def test_a_cancellation_that_comes_first_holds(product: Product) -> None:
    buyer = Buyer()
    placed = product.event("order.placed", buyer, "early-" + buyer.id)
    await product.tell("order.cancelled", buyer, "early-" + buyer.id)
    await product.dispatcher.wait_until_consumed()
    await product.shop.publish([placed, placed])
    await product.after(2 * HOUR)
    assert await product.mails(buyer) == []


async def test_an_order_told_three_times_is_asked_about_once(product: Product) -> None:
    buyer = Buyer()
    placed = product.event("order.placed", buyer, "thrice-" + buyer.id)
    await product.shop.publish([placed, placed])
    await product.after(HOUR)
    await product.mail(buyer)
    await product.shop.publish([placed])
    await product.after(HOUR)
    events = [decision for decision in await product.decisions(buyer) if decision["event"]]
    assert len(events) == 1
    assert len(await product.mails(buyer)) == 1


async def test_a_second_order_within_the_quiet_period_is_not_asked_about(product: Product) -> None:
    buyer = Buyer()
    await product.surveyed(buyer)
    await product.after(10 * DAY)
    await product.order(buyer)
    await product.after(HOUR)
    decision = (await product.decisions(buyer))[0]
    assert decision["outcome"] in ("deferred", "skipped")
    assert len(await product.mails(buyer)) == 1


async def test_service_and_product_about_one_order_are_one_asking(product: Product) -> None:
    buyer = Buyer()
    order_id = await product.order(buyer)
    await product.after(HOUR)
    first = await product.mail(buyer)
    await product.answer(first, 10)
    await product.after(3 * DAY)
    await product.tell("order.delivered", buyer, order_id, shipment={"id": "one", "of": 2})
    await product.after(2 * DAY)
    await product.tell("order.delivered", buyer, order_id, shipment={"id": "two", "of": 2})
    await product.after(29 * DAY)
    assert len(await product.mails(buyer)) == 1
    await product.after(DAY)
    second = await product.mail(buyer, 2)
    assert first.send_id != second.send_id
    await product.answer(second, 0)
    score = await product.score(buyer.segment, 2, window="90d")
    assert score["nps"] == 0


async def test_a_score_falls_out_of_its_window_as_days_pass(product: Product) -> None:
    buyer = Buyer()
    mail = await product.surveyed(buyer)
    await product.answer(mail, 9)
    await product.score(buyer.segment, 1, window="7d")
    await product.after(6 * DAY)
    await product.score(buyer.segment, 1, window="7d")
    await product.after(DAY)
    await product.score(buyer.segment, 0, window="7d")
    await product.score(buyer.segment, 1, window="30d")


async def test_who_unsubscribed_is_left_in_peace(product: Product) -> None:
    buyer = Buyer()
    mail = await product.surveyed(buyer)
    await product.unsubscribe(mail)
    # The preference reaches the dispatcher like everything else, and much faster than a quarter passes.
    await product.audited()
    await product.after(91 * DAY)
    await product.order(buyer)
    await product.after(HOUR)
    assert len(await product.mails(buyer)) == 1
    assert any(decision["reason"] == "unsubscribed" for decision in await product.decisions(buyer))


async def test_an_erased_customer_leaves_nothing_behind(product: Product) -> None:
    buyer = Buyer()
    mail = await product.surveyed(buyer)
    given = await product.answer(mail, 1, "My address is Main Street 5")
    await product.score(buyer.segment, 1)
    response = await product.staff.delete(f"{product.stack.url('collector')}/v1/customers/{buyer.id}")
    assert response.status_code == 200, response.text
    report = await product.audited()
    score = await product.score(buyer.segment, 1)
    assert (score["detractors"], score["nps"]) == (1, -100), "who asks to be forgotten must not raise the NPS"
    assert report.check("no personal data of erased customers").compared >= 1
    case = await product.staff.get(f"{product.stack.url('alerter')}/v1/cases", params={"status": "any", "limit": 200})
    assert given.answer_id not in case.text
    # Reopened from an old email, the link no longer accepts answers.
    late = await product.visitors.post(mail.answer_url, json={"score": 9}, headers={"Accept": "application/json"})
    assert late.status_code in (404, 410)


async def test_the_shops_own_backend_may_answer(product: Product) -> None:
    buyer = Buyer()
    said = {
        "answer_id": f"pos-{buyer.id}",
        "score": 10,
        "segments": {"region": buyer.region, "category": ["a", "b", "a"]},
    }
    url = f"{product.stack.url('collector')}/v1/answers"
    for revision, points in ((1, 10), (1, 10), (2, 7)):
        response = await product.staff.post(url, json={**said, "score": points})
        assert (response.status_code, response.json()["revision"]) == (202, revision)
    score = await eventually(
        lambda: product.get("scorer", "/v1/nps", segment=buyer.segment),
        "a 7",
        wanted=lambda score: score["passives"] == 1,
    )
    assert score["n"] == 1
    assert (await product.visitors.post(url, json=said)).status_code == 401


async def test_what_cannot_be_read_harms_nobody(product: Product) -> None:
    await product.shop.publish_raw(b"not an event", "poison")
    buyer = Buyer()
    future = product.event("order.placed", buyer, "typo-" + buyer.id, occurred_at="yesterday")
    await product.shop.publish([future])
    mail = await product.surveyed(buyer)
    await product.answer(mail, 9)
    await product.score(buyer.segment, 1)
    report = await product.audited()
    assert report.check("dead letters published").compared >= 2


async def test_everybody_is_asked_in_their_language(product: Product) -> None:
    recommending = {"en-GB": "recommend", "pt-BR": "recomendar", "ko": "추천", "zh-CN": "推荐", "no": "anbefale"}
    for locale, words in recommending.items():
        mail = await product.surveyed(Buyer(locale=locale))
        page = await product.visitors.get(mail.answer_links[-1])
        assert page.status_code == 200
        assert words in page.text.lower(), locale


async def test_health_metrics_and_documents_of_every_process(product: Product) -> None:
    for name in ("dispatcher", "collector", "scorer", "alerter", "courier"):
        for path in ("/healthz", "/readyz", "/metrics"):
            response = await product.visitors.get(product.stack.url(name) + path)
            assert response.status_code == 200, (name, path, response.text)
    for name in ("dispatcher", "collector", "scorer", "alerter"):
        document = (await product.visitors.get(product.stack.url(name) + "/openapi.json")).json()
        assert document["openapi"].startswith("3.")
