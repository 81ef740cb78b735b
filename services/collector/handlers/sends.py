"""What each topic's batch does: campaigns and sends are kept for the pages and answers that will need them."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions.preferences import settle_early_wishes
from services.collector.repository import erasures
from services.collector.repository import pending_preferences as early_wishes
from services.collector.repository import sends as repository
from shared.contracts import topics
from shared.contracts.campaigns import CampaignPublished
from shared.contracts.cloudevents import Message
from shared.contracts.sends import SurveySent
from shared.messaging.handler import Handler
from shared.messaging.outbox import Outbox


class Handlers:
    """``secret`` is what digests of erased customers are keyed with; ``outbox`` takes what early wishes change."""

    def __init__(self, secret: str, outbox: Outbox) -> None:
        self._secret = secret
        self._outbox = outbox
        self.by_topic: dict[str, Handler] = {
            topics.CAMPAIGNS.name: self.keep_campaigns,
            topics.SENDS.name: self.keep_sends,
        }

    async def keep_campaigns(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        published = [message.body for message in messages if isinstance(message.body, CampaignPublished)]
        await repository.put_campaigns(connection, published)

    async def keep_sends(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Keeps the surveys, but nothing personal of a customer erased after they were sent: the erasure may have
        come while they were on their way. So may a wish to get no more of them, which is settled here."""
        sends = [message.body for message in messages if isinstance(message.body, SurveySent)]
        digests = {send.customer_id: erasures.digest(self._secret, send.customer_id) for send in sends}
        erased_at = await erasures.erased_among(connection, sorted(set(digests.values())))
        erased = {
            send.send_id: moment
            for send in sends
            if (moment := erased_at.get(digests[send.customer_id])) is not None and send.sent_at <= moment
        }
        await early_wishes.hold_off_wishes(connection)
        await repository.put_sends(connection, sends, erased)
        await settle_early_wishes(connection, self._outbox, self._secret, [send.send_id for send in sends])
