"""Surveys in the mailbox: each is read once, and names its send and its links."""

import httpx
import pytest

from tools.simulation.mailbox import Mail, MailboxReader

LINKS = ("http://shop/", *(f"http://c/s/token?score={score}" for score in range(11)), "http://c/unsubscribe/token")


def mail(number: int, links: tuple[str, ...] = LINKS) -> dict[str, object]:
    return {"id": number, "message_id": f"<send-{number}@shop>", "to": "a@b", "subject": "?", "links": list(links)}


def test_a_survey_names_its_send_and_its_links() -> None:
    survey = Mail(id=1, message_id="send-1@shop", to="a@b", subject="?", links=LINKS)
    assert survey.send_id == "send-1"
    assert survey.answer_url == "http://c/s/token"
    assert len(survey.answer_links) == 11
    assert survey.unsubscribe_url == "http://c/unsubscribe/token"
    with pytest.raises(ValueError, match="has no survey link"):
        _ = Mail(id=1, message_id="news@shop", to="a@b", subject="?", links=()).answer_url


async def test_every_mail_is_read_once() -> None:
    stored = [mail(number) for number in range(1, 1_203)]

    def mailbox(request: httpx.Request) -> httpx.Response:
        after, limit = (int(request.url.params[name]) for name in ("after", "limit"))
        return httpx.Response(200, json={"messages": [one for one in stored if int(str(one["id"])) > after][:limit]})

    async with httpx.AsyncClient(transport=httpx.MockTransport(mailbox)) as client:
        reader = MailboxReader(client, "http://mailbox")
        assert len(await reader.new()) == 1_202
        assert await reader.new() == []
        stored.append(mail(1_203))
        assert [arrived.send_id for arrived in await reader.new()] == ["send-1203"]
