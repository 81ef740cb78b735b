"""The forms of a case: the next action, and what happens when one fails."""

import re

import httpx

from services.alerter.actions import cases as actions
from tests.integration.alerter.kit import Alerter
from tests.unit.alerter.examples import CASE, answer


async def test_another_sites_form_changes_nothing(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.receive(answer(3))
    response = await browser.post(
        f"/cases/{CASE}/assign", data={"sequence": 1}, headers={"Sec-Fetch-Site": "cross-site"}, follow_redirects=False
    )
    assert (
        response.status_code in (303, 401, 403) and "/cases/" not in response.headers.get("location", "").split("?")[0]
    )
    assert len(await alerter.published()) == 1


async def test_the_next_sensible_action_is_the_first_button(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    async def first_button() -> str:
        actions = (await browser.get(f"/cases/{CASE}")).text.split('class="actions"')[1]
        found = re.search(r'class="(?:button )?main">\s*([^<]+?)\s*<kbd', actions)
        assert found is not None
        assert actions.index(found.group()) < min(actions.index(other) for other in ("Note <kbd",))
        return found.group(1)

    await alerter.receive(answer(3))
    assert await first_button() == "Assign to me"
    await browser.post(f"/cases/{CASE}/assign", data={"sequence": 1})
    assert await first_button() == "Contact"
    await browser.post(f"/cases/{CASE}/contact", data={"sequence": 2, "way": "phone", "text": "Called"})
    assert await first_button() == "Close case"
    page = await browser.post(
        f"/cases/{CASE}/close", data={"sequence": 3, "reason": "resolved", "text": "Sent another"}
    )
    assert page.status_code == 200 and "Sent another" in page.text and "Closed: resolved." in page.text
    assert await first_button() == "Reopen"


async def test_what_was_typed_is_kept_when_somebody_was_faster(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.receive(answer(3))
    await actions.assign(alerter.runtime, CASE, sequence=1, actor="noor", owner="noor")
    page = await browser.post(
        f"/cases/{CASE}/contact", data={"sequence": 1, "way": "phone", "text": "I called & wrote"}
    )
    assert page.status_code == 409
    assert "Someone else changed this case" in page.text and "I called &amp; wrote</textarea>" in page.text
    assert '<option value="phone" selected>' in page.text and 'id="contact" open' in page.text
    assert (await alerter.detail(CASE)).case.status == "assigned"


LONGEST = "\r\n".join(["x" * 49] * 100) + "\r\n"
"""5,000 characters as people count them: a hundred lines, as a browser sends them."""


async def test_a_note_as_long_as_it_may_be_is_kept_and_a_longer_one_is_not_lost(
    alerter: Alerter, browser: httpx.AsyncClient
) -> None:
    await alerter.receive(answer(3))
    kept = await browser.post(f"/cases/{CASE}/note", data={"sequence": 1, "text": LONGEST})
    assert kept.status_code == 200
    (_, note) = (await alerter.detail(CASE)).history
    assert note.details["text"] == LONGEST.replace("\r\n", "\n")
    page = await browser.post(f"/cases/{CASE}/note", data={"sequence": 2, "text": LONGEST + "and more"})
    assert page.status_code == 422
    assert "has 5,008 characters; 5,000 is the most" in page.text and "\nand more</textarea>" in page.text
    assert 'id="note" open' in page.text


async def test_an_empty_contact_and_a_close_without_a_word_are_asked_for_what_is_missing(
    alerter: Alerter, browser: httpx.AsyncClient
) -> None:
    await alerter.receive(answer(3))
    for action, given, said in (
        ("contact", {"way": "phone", "text": "  "}, "The contact is empty"),
        ("close", {}, "Choose a reason"),
        ("close", {"reason": "resolved"}, "Choose a root cause, or say"),
    ):
        page = await browser.post(f"/cases/{CASE}/{action}", data={"sequence": 1, **given})
        assert page.status_code == 422 and said in page.text, action
        assert f'id="{action}" open' in page.text
    assert (await alerter.detail(CASE)).case.status == "open"
    closed = await browser.post(
        f"/cases/{CASE}/close", data={"sequence": 1, "reason": "no_reply", "root_cause": "Delivered late"}
    )
    assert "Closed: no reply. Root cause: Delivered late." in closed.text
