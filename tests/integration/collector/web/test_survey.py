"""Promise 5 and half of 2: opening records nothing, pressing the button records once, in any order and number."""

import asyncio
import re
from datetime import timedelta
from html import unescape

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts import identity
from shared.contracts.campaigns import CampaignTexts
from shared.contracts.sends import REMINDED
from shared.texts.words import survey_language
from tests.integration.collector.kit import NOON, Collector, broken, campaign, seen, survey


def checked(page: httpx.Response) -> list[str]:
    return re.findall(r'value="(\d+)" required checked', page.text)


async def test_looking_records_nothing_whoever_looks(collector: Collector) -> None:
    page = await collector.send()
    looks: list[tuple[str, dict[str, str]]] = [
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"User-Agent": "Mozilla/5.0 (compatible; LinkScanner/1.0)"}),
        ("OPTIONS", {}),
    ]
    for address in (f"{page}?score=10", f"{page}?score=0&step=comment", f"{page}?score=3&comment=hello&step=thanks"):
        for method, headers in looks:
            response = await collector.client.request(method, address, headers=headers)
            assert response.status_code in (200, 405)
            assert "set-cookie" not in response.headers
    assert await collector.count("answers") == 0
    assert await collector.outbox() == []


async def test_the_number_of_the_mail_is_marked_and_nothing_else_is(collector: Collector) -> None:
    page = await collector.send()
    assert checked(await collector.client.get(f"{page}?score=7")) == ["7"]
    assert checked(await collector.client.get(f"{page}?score=10")) == ["10"]
    for nonsense in ("", "?score=11", "?score=-1", "?score=07", "?score=٣", "?score=1e1"):
        response = await collector.client.get(page + nonsense)
        assert response.status_code == 200
        assert checked(response) == []


async def test_score_then_comment_then_thanks(collector: Collector) -> None:
    await collector.consume(campaign())
    page = await collector.send()
    first = await collector.client.post(page, data={"score": "3"})
    assert first.status_code == 303
    comment = await collector.client.get(first.headers["location"])
    assert "What went wrong" in seen(comment)
    assert "3 out of 10" in seen(comment)
    collector.clock.pass_time(minutes=2)
    second = await collector.client.post(page, data={"comment": "  Came a week\r\nlate \r "})
    thanks = await collector.client.get(second.headers["location"])
    assert "Thank you for being honest with us" in seen(thanks)

    recorded, amended = await collector.answers()
    assert (recorded.type, amended.type) == ("answer.recorded", "answer.amended")
    assert recorded.body == {
        "answer_id": identity.answer_id("s-1"),
        "revision": 1,
        "score": 3,
        "answered_at": "2026-11-01T12:00:00Z",
        "received_at": "2026-11-01T12:00:00Z",
        "channel": "email",
        "send_id": "s-1",
        "customer_id": "c-42",
        "order_id": "order-1001",
        "campaign": "service-nps",
        "campaign_version": 1,
        "further_answers": {},
        "segments": {"country": "BR", "category": ["toys", "books"]},
        "locale": "en",
    }
    assert amended.body["comment"] == "Came a week\nlate"
    assert amended.body["answered_at"] == recorded.body["answered_at"]
    assert amended.body["received_at"] == "2026-11-01T12:02:00Z"
    assert recorded.key == amended.key == identity.answer_id("s-1")
    assert recorded.event_id != amended.event_id


async def test_reloading_or_pressing_twice_is_one_answer(collector: Collector) -> None:
    page = await collector.send()
    for _ in range(3):
        assert (await collector.client.post(page, data={"score": "9"})).status_code == 303
        collector.clock.pass_time(minutes=1)
    for _ in range(2):
        await collector.client.post(page, data={"comment": "Great"})
    assert [event.body["revision"] for event in await collector.answers()] == [1, 2]


async def test_many_at_once_leave_one_answer(collector: Collector) -> None:
    page = await collector.send()
    responses = await asyncio.gather(*(collector.client.post(page, json={"score": 6}) for _ in range(16)))
    assert {(response.status_code, response.json()["revision"]) for response in responses} == {(202, 1)}
    assert len(await collector.answers()) == 1


async def test_many_different_at_once_are_all_taken_one_after_the_other(collector: Collector) -> None:
    page = await collector.send()
    responses = await asyncio.gather(*(collector.client.post(page, json={"score": score}) for score in range(11)))
    assert {response.status_code for response in responses} == {202}
    revisions = [event.body["revision"] for event in await collector.answers()]
    assert revisions == list(range(1, 12))
    last = max(responses, key=lambda response: int(response.json()["revision"]))
    assert last.json()["revision"] == 11
    assert await collector.count("answers") == 1


async def test_another_score_amends_and_is_shown(collector: Collector) -> None:
    page = await collector.send()
    await collector.client.post(page, data={"score": "2"})
    collector.clock.pass_time(days=3)
    again = await collector.client.get(page)
    assert checked(again) == ["2"]
    assert "You gave us a score of 2 earlier" in seen(again)
    assert checked(await collector.client.get(f"{page}?score=8")) == ["8"]
    await collector.client.post(page, data={"score": "8"})
    amended = (await collector.answers())[-1]
    assert (amended.type, amended.body["score"], amended.body["revision"]) == ("answer.amended", 8, 2)
    assert amended.body["answered_at"] == "2026-11-04T12:00:00Z"


async def test_an_empty_comment_ends_with_thanks_and_keeps_what_there_was(collector: Collector) -> None:
    page = await collector.send()
    await collector.client.post(page, data={"score": "9", "comment": "Nice"})
    response = await collector.client.post(page, data={"comment": "   "})
    assert response.headers["location"].endswith("step=thanks")
    assert len(await collector.answers()) == 1


async def test_an_earlier_comment_is_not_shown_to_who_opens_the_link(collector: Collector) -> None:
    page = await collector.send()
    await collector.client.post(page, data={"score": "9", "comment": "my secret"})
    for step in ("", "?step=comment", "?step=thanks"):
        assert "my secret" not in (await collector.client.get(page + step)).text
    assert "already left a comment" in seen(await collector.client.get(f"{page}?step=comment"))


@pytest.mark.parametrize(
    "form", [{}, {"score": ""}, {"score": "11"}, {"comment": "hello"}, {"score": "x", "comment": ""}]
)
async def test_a_form_without_a_score_says_what_is_missing(collector: Collector, form: dict[str, str]) -> None:
    page = await collector.send()
    response = await collector.client.post(page, data=form)
    assert response.status_code == 422
    assert "Please choose a number" in seen(response)
    assert await collector.count("answers") == 0


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("late 👎🏽\r\nbut kind 👩‍👩‍👧", "late 👎🏽\nbut kind 👩‍👩‍👧"),
        ("a\x00b", "ab"),
        ("<script>alert(1)</script> ' \" %00", "<script>alert(1)</script> ' \" %00"),
        ("최고예요 非常好 ótimo", "최고예요 非常好 ótimo"),
        ("é" * 5_000, "é" * 5_000),
    ],
)
async def test_comments_are_kept_as_written(collector: Collector, written: str, kept: str) -> None:
    page = await collector.send()
    response = await collector.client.post(page, data={"score": "5", "comment": written})
    assert response.status_code == 303
    assert (await collector.answers())[0].body["comment"] == kept


async def test_a_comment_that_is_too_long_comes_back_whole(collector: Collector) -> None:
    page = await collector.send()
    await collector.client.post(page, data={"score": "5"})
    long = "<b>" + "x" * 5_000
    response = await collector.client.post(page, data={"comment": long})
    assert response.status_code == 422
    assert long in seen(response)
    assert "<b>" not in response.text
    assert "longer than 5000 characters" in seen(response)
    assert len(await collector.answers()) == 1


async def test_a_body_without_end_is_refused(collector: Collector) -> None:
    page = await collector.send()
    response = await collector.client.post(page, content=b"comment=" + b"x" * 300_000)
    assert response.status_code == 413

    async def parts() -> object:
        for _ in range(50):
            yield b"x" * 10_000

    assert (await collector.client.post(page, content=parts())).status_code == 413  # type: ignore[arg-type]


async def test_a_forged_link_is_nobodys(collector: Collector) -> None:
    page = await collector.send()
    other = collector.page("s-2")
    forged = [
        page[:-1],
        page[:-1] + ("A" if page[-1] != "A" else "B"),
        "/s/s-1",
        "/s/s-1." + other.split(".")[1],
        page.replace("s-1.", "s-2."),
        f"/s/{collector.runtime.links.token('unsubscribe', 's-1')}",
        "/s/%00%ff",
    ]
    for address in forged:
        for response in (
            await collector.client.get(address),
            await collector.client.post(address, data={"score": "1"}),
        ):
            assert response.status_code == 404
            assert "This link does not work" in seen(response)
        assert (await collector.client.post(address, json={"score": 1})).status_code == 404
    assert await collector.count("answers") == 0


async def test_a_database_in_trouble_is_a_page_not_a_stack_trace(collector: Collector) -> None:
    page = await collector.send()
    async with broken(collector, "ALTER TABLE sends RENAME TO away", "ALTER TABLE away RENAME TO sends"):
        for response in (await collector.client.get(page), await collector.client.post(page, data={"score": "4"})):
            assert response.status_code == 503
            assert "Something went wrong on our side" in response.text
            assert "Traceback" not in response.text


async def test_every_page_keeps_the_token_to_itself(collector: Collector) -> None:
    page = await collector.send()
    pages = [page, f"{page}?step=comment", "/s/forged", collector.page("s-unknown"), collector.unsubscribe_page()]
    for address in pages:
        headers = (await collector.client.get(address)).headers
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "noindex" in headers["x-robots-tag"]
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["frame-ancestors"] == policy["default-src"] == policy["base-uri"] == "'none'"
        assert policy["form-action"] == policy["script-src"] == "'self'"
    redirect = await collector.client.post(page, data={"score": "1"})
    assert redirect.headers["cache-control"] == "no-store"
    assert redirect.headers["location"].startswith("/s/")


async def test_a_survey_still_on_its_way_continues_by_itself(collector: Collector) -> None:
    page = collector.page()
    looked = await collector.client.get(f"{page}?score=4")
    assert looked.status_code == 503
    assert looked.headers["retry-after"] == "3"
    assert "One moment" in seen(looked)
    refresh = re.search(r'http-equiv="refresh" content="3;url=([^"]+)"', looked.text)
    assert refresh is not None
    pressed = await collector.client.post(page, data={"score": "4"})
    assert pressed.status_code == 503
    assert "score=4" in pressed.text
    program = await collector.client.post(page, json={"score": 4})
    assert (program.status_code, program.headers["retry-after"]) == (503, "3")

    await collector.send()
    assert checked(await collector.client.get(unescape(refresh[1]))) == ["4"]
    assert (await collector.client.post(page, json={"score": 4})).json()["revision"] == 1


async def test_a_survey_that_never_comes_is_not_waited_for_for_ever(collector: Collector) -> None:
    address = collector.page()
    for _ in range(30):
        response = await collector.client.get(address)
        if response.status_code != 503:
            break
        found = re.search(r'content="3;url=([^"]+)"', response.text)
        assert found is not None
        address = unescape(found[1])
    assert response.status_code == 404
    assert "cannot find this survey" in seen(response)


async def test_a_closed_survey_says_since_when(collector: Collector) -> None:
    page = await collector.send()
    collector.clock.pass_time(days=30)
    assert (await collector.client.get(page)).status_code == 200
    collector.clock.pass_time(seconds=1)
    for response in (await collector.client.get(page), await collector.client.post(page, data={"score": "1"})):
        assert response.status_code == 410
        assert "December 1, 2026" in seen(response)
    program = await collector.client.post(page, json={"score": 1})
    assert program.status_code == 410
    assert program.headers["content-type"] == "application/problem+json"
    assert await collector.count("answers") == 0


async def test_a_score_given_in_time_may_be_commented_on_for_a_day_after_the_end(
    collector: Collector,
) -> None:
    """Who scores in the last minute is still asked why, and what they write is taken."""
    page = await collector.send()
    other = await collector.send("s-2")
    collector.clock.pass_time(days=30)
    scored = await collector.client.post(page, data={"score": "2"})
    collector.clock.pass_time(days=1)
    asked = await collector.client.get(scored.headers["location"])
    assert (asked.status_code, "Change" in seen(asked)) == (200, False)
    long = await collector.client.post(page, data={"comment": "x" * 5_001})
    assert long.status_code == 422
    thanked = await collector.client.post(page, data={"comment": "so late"}, follow_redirects=True)
    assert (thanked.status_code, "Change" in seen(thanked)) == (200, False)
    assert (await collector.client.post(page, json={"score": 2, "comment": "too late"})).status_code == 202
    assert [event.body.get("comment") for event in await collector.answers()] == [None, "so late", "too late"]
    # Another score is another answer, and a comment without a score is none.
    for refused in (
        await collector.client.get(page),
        await collector.client.post(page, data={"score": "9"}),
        await collector.client.post(page, json={"score": 9, "comment": "x"}),
        await collector.client.post(other, data={"comment": "x"}),
    ):
        assert refused.status_code == 410
    collector.clock.pass_time(seconds=1)
    assert (await collector.client.post(page, data={"comment": "x"})).status_code == 410
    assert (await collector.client.get(f"{page}?step=comment")).status_code == 410


async def test_a_reminder_keeps_the_link_open_and_changes_nothing_else(collector: Collector) -> None:
    page = await collector.send()
    longer = survey(expires_at=NOON + timedelta(days=40))
    await collector.consume(longer, event_type=REMINDED)
    await collector.consume(survey())
    collector.clock.pass_time(days=35)
    assert (await collector.client.post(page, json={"score": 1})).status_code == 202


async def test_the_campaigns_brand_and_words_are_used(collector: Collector) -> None:
    texts = {"pt-BR": CampaignTexts(question="{name}, e aí, {brand}?", follow_up_passive="O que faltou, {name}?")}
    await collector.consume(campaign(texts=texts))
    page = await collector.send(locale="pt-BR")
    question = await collector.client.get(page)
    assert "Ana Souza, e aí, Lumen Home?" in seen(question)
    assert '<html lang="pt" dir="ltr">' in question.text
    comment = await collector.client.post(page, data={"score": "8"}, follow_redirects=True)
    assert "O que faltou, Ana Souza?" in seen(comment)
    english = await collector.client.get(f"{page}?lang=en")
    assert "recommend Lumen Home" in seen(english)
    kept = await collector.client.post(f"{page}?lang=en", data={"score": "9"})
    assert "lang=en" in kept.headers["location"]


async def test_the_version_a_survey_was_sent_under_is_shown(collector: Collector) -> None:
    await collector.consume(
        campaign(campaign_version=2, texts={"en": CampaignTexts(question="Second?")}),
        campaign(campaign_version=1, texts={"en": CampaignTexts(question="First?")}),
    )
    assert "First?" in seen(await collector.client.get(await collector.send("s-1")))
    assert "Second?" in seen(await collector.client.get(await collector.send("s-2", campaign_version=2)))
    assert "Second?" in seen(await collector.client.get(await collector.send("s-3", campaign_version=9)))


async def test_a_program_is_told_what_is_wrong(collector: Collector) -> None:
    page = await collector.send()
    for body, field in (({"score": 12}, "score"), ({"comment": "x"}, "score"), ({"score": 1, "name": "x"}, "name")):
        response = await collector.client.post(page, json=body)
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        assert field in response.json()["detail"]
    further = {"score": 1, "further_answers": {"delivery": "slow"}}
    assert (await collector.client.post(page, json=further)).status_code == 202
    assert (await collector.answers())[0].body["further_answers"] == {"delivery": "slow"}
    many = {"further_answers": {f"q{number}": "x" for number in range(20)}}
    response = await collector.client.post(page, json=many)
    assert (response.status_code, len(await collector.answers())) == (422, 1)
    assert "further_answers" in response.json()["detail"]


said = st.fixed_dictionaries(
    {},
    optional={
        "score": st.integers(0, 10),
        "comment": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20),
    },
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sayings=st.lists(said, min_size=1, max_size=8))
async def test_the_last_word_stands_and_revisions_only_grow(
    collector: Collector, sayings: list[dict[str, object]]
) -> None:
    send_id = f"s-{await collector.count('sends')}"
    page = await collector.send(send_id)
    expected: dict[str, object] = {}
    revision = 0
    for body in sayings:
        response = await collector.client.post(page, json=body)
        if not expected and "score" not in body:
            assert response.status_code == 422
            continue
        assert response.status_code == 202, response.text
        told = {field: value for field, value in {**expected, **body}.items() if value != ""}
        assert response.json()["revision"] == revision + (told != expected)
        expected, revision = told, response.json()["revision"]
    mine = [event for event in await collector.answers() if event.key == identity.answer_id(send_id)]
    assert [event.body["revision"] for event in mine] == list(range(1, revision + 1))
    if mine:
        last = mine[-1].body
        assert {field: last[field] for field in ("score", "comment") if field in last} == expected


@pytest.mark.parametrize(
    ("locale", "default_locale", "language"),
    [("fr-FR", "nb-NO", "nb"), ("fr-FR", "fr", "en"), ("zh-TW", "en", "zh-Hant"), ("pt-BR", "en", "pt")],
)
async def test_the_page_asks_in_the_language_of_the_mail_whatever_the_browser_prefers(
    collector: Collector, locale: str, default_locale: str, language: str
) -> None:
    await collector.consume(campaign(default_locale=default_locale))
    page = await collector.send(locale=locale)
    mail = survey_language(locale, default_locale=default_locale)
    shown = await collector.client.get(page, headers={"Accept-Language": "ko, pt;q=0.5"})
    assert f'<html lang="{language}"' in shown.text and mail == language
