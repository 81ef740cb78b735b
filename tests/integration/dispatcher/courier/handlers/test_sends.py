"""One survey, one delivery."""

from services.dispatcher.courier.handlers.sends import handler
from shared.contracts import sends
from tests.integration.dispatcher.courier.conftest import NOW, Office, survey
from tests.integration.dispatcher.courier.post_office import PostOffice
from tests.kit.messages import message


async def test_a_survey_is_delivered_once_however_often_its_event_comes(office: Office, post: PostOffice) -> None:
    handle = handler(office.runtime, {"email": office.channel})
    for times in (2, 1):
        async with office.runtime.transaction() as connection:
            await handle(connection, [message(sends.TOPIC, sends.SENT, survey(), at=NOW) for _ in range(times)])
        await office.carry()
    [mail] = post.mails
    assert mail["Message-ID"] == "<send-1@shop.test>"
    assert mail["X-Hearback-Send-Id"] == "send-1"
    assert mail["To"] == "Ana <ana-1@example.com>"
    assert mail["List-Unsubscribe"] == "<https://answers.test/unsubscribe/1>"
    assert await office.published() == [("delivery.accepted", "send-1", None)]
