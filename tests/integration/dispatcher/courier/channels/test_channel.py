"""A second channel beside email needs only a ``Channel`` implementation, and neither blocks the other."""

from datetime import datetime

from services.dispatcher.courier.channels.channel import Channel
from services.dispatcher.courier.domain.deliveries import Ending, QueuedDelivery
from services.dispatcher.courier.loops.deliver import DeliverLoop
from services.dispatcher.courier.loops.unresolved import UnresolvedLoop
from shared.contracts import sends
from shared.contracts.campaigns import CampaignPublished
from shared.transmission import ACCEPTED, NOT_BEGUN, MayBegin, TransmissionOutcome
from tests.integration.dispatcher.courier.conftest import Office, Open, survey
from tests.integration.dispatcher.courier.post_office import PostOffice


class TextMessages:
    """Appends texts to a list; ``outcome`` is that of the next ones."""

    name: sends.Channel = "sms"
    provider = "list"
    server = "SMS gateway"
    server_settings = "nothing"
    attempt_seconds = 1.0
    has_receipts = True

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.asked: list[str] = []
        self.outcome = ACCEPTED

    def message_id(self, send_id: str) -> str:
        return send_id

    def compose(self, delivery: QueuedDelivery, campaign: CampaignPublished, now: datetime) -> str | Ending:
        return f"{campaign.brand.name} ({now:%d.%m.}): {delivery.survey.answer_url}"

    async def transmit(self, message: str, may_begin: MayBegin) -> TransmissionOutcome:
        if not may_begin(0):
            return NOT_BEGUN
        if self.outcome.kind == "accepted":
            self.sent.append(message)
        return self.outcome

    async def was_accepted(self, message_id: str) -> bool | None:
        self.asked.append(message_id)
        return True

    async def rest(self) -> None: ...

    async def close(self) -> None: ...


async def test_each_channel_delivers_its_own_surveys_whatever_trouble_another_is_in(
    office: Office, post: PostOffice
) -> None:
    texts = TextMessages()
    channel: Channel[str] = texts
    texting = DeliverLoop(office.runtime, channel, {"email", "webhook"})
    mailing = DeliverLoop(office.runtime, office.channel, {"sms", "webhook"})
    await office.queue(
        [survey(1, channel="sms"), survey(2), survey(3, channel="webhook"), survey(4, channel="widget"), survey(5)]
    )
    texts.outcome = TransmissionOutcome("unavailable", "503")
    assert await texting.step() is False
    assert "SMS gateway" in office.runtime.health._troubles
    while await mailing.step():
        pass
    assert sorted(post.recipients()) == ["ana-2@example.com", "ana-5@example.com"]
    assert await office.states() == {
        "send-1": "queued", "send-2": "accepted", "send-3": "queued", "send-4": "failed", "send-5": "accepted",
    }  # fmt: skip
    texts.outcome = ACCEPTED
    texting._resume_at = 0
    await office.at_once()
    await texting.step()
    assert texts.sent == ["Our shop (01.11.): https://answers.test/s/1"]
    assert "SMS gateway" not in office.runtime.health._troubles
    [told] = await office.rows(
        "SELECT convert_from(value, 'UTF8')::jsonb AS body FROM outbox "
        "WHERE convert_from(value, 'UTF8')::jsonb->>'send_id' = 'send-1'"
    )
    assert (told.body["channel"], told.body["provider"]) == ("sms", "list")


async def test_each_channel_is_asked_about_its_own_messages(office: Office, post: PostOffice) -> None:
    texts = TextMessages()
    channel: Channel[str] = texts
    texts.outcome = TransmissionOutcome("unresolved", "TimeoutError")
    post.script["ana-2@example.com"].append("cut")
    await office.queue([survey(1, channel="sms"), survey(2)])
    await DeliverLoop(office.runtime, channel, {"email"}).step()
    await office.carry()
    await office.at_once()
    await office.unresolved.step()
    assert await office.states() == {"send-1": "transmitting", "send-2": "accepted"}
    await UnresolvedLoop(office.runtime, channel).step()
    assert texts.asked == ["<send-1@shop.test>"] and post.questions == 1
    assert await office.states() == {"send-1": "accepted", "send-2": "accepted"}


async def test_an_attempt_that_could_outlast_the_lease_is_not_begun(office: Office) -> None:
    texts = TextMessages()
    texts.attempt_seconds = office.runtime.settings.courier_lease_seconds + 1
    channel: Channel[str] = texts
    await office.queue([survey(1, channel="sms")])
    await DeliverLoop(office.runtime, channel).step()
    assert texts.sent == []
    assert await office.states() == {"send-1": "queued"}


async def test_an_attempt_is_begun_only_if_it_can_end_within_the_lease(open_office: Open) -> None:
    class Patient(TextMessages):
        async def transmit(self, message: str, may_begin: MayBegin) -> TransmissionOutcome:
            self.may_begin_in = {seconds: may_begin(seconds) for seconds in (0, 15, 29.5)}
            return await super().transmit(message, may_begin)

    office: Office = await open_office(courier_lease_seconds=30)
    texts = Patient()
    await office.queue([survey(1, channel="sms")])
    await DeliverLoop[str](office.runtime, texts).step()
    assert texts.may_begin_in == {0: True, 15: True, 29.5: False}
