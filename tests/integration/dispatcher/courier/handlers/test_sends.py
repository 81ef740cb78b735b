"""One survey, one delivery."""

from services.dispatcher.courier.handlers.sends import handler
from shared.contracts import sends
from shared.contracts.cloudevents import Message
from shared.contracts.sends import SurveySent
from tests.integration.dispatcher.courier.conftest import NOW, Office, survey
from tests.integration.dispatcher.courier.post_office import PostOffice


def message(body: SurveySent, offset: int = 0, event_type: str = sends.SENT) -> Message:
    return Message(
        topic=sends.TOPIC,
        partition=0,
        offset=offset,
        key=b"c",
        event_id=f"e-{offset}",
        source="/test",
        type=event_type,
        time=NOW,
        body=body,
        traceparent=None,
        value=b"",
        headers=(),
    )


async def test_a_survey_is_delivered_once_however_often_its_event_comes(office: Office, post: PostOffice) -> None:
    handle = handler(office.runtime, {"email": office.channel})
    for offsets in ((0, 1), (2,)):
        async with office.runtime.transaction() as connection:
            await handle(connection, [message(survey(), offset) for offset in offsets])
        await office.carry()
    [mail] = post.mails
    assert mail["Message-ID"] == "<send-1@shop.test>"
    assert mail["X-Hearback-Send-Id"] == "send-1"
    assert mail["To"] == "Ana <ana-1@example.com>"
    assert mail["List-Unsubscribe"] == "<https://answers.test/unsubscribe/1>"
    assert await office.published() == [("delivery.accepted", "send-1", None)]
