"""What the courier needs of a way to reach a customer. Nothing above this folder knows more of e-mail than this."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from services.dispatcher.courier.domain.deliveries import Ending, QueuedDelivery
from shared.contracts import sends
from shared.contracts.campaigns import CampaignPublished
from shared.transmission import Outcome

M = TypeVar("M")
"""A channel's message, ready to transmit; only the channel looks into it."""


class Channel(Protocol[M]):
    """One way to reach a customer.

    The courier composes a delivery, commits that it is about to be transmitted, transmits it, and commits the outcome.
    It may die between any two of these: a channel must not assume that what it composed is transmitted, nor that it is
    asked about what it transmitted; another process may do either. Any number of ``transmit`` run at once.
    """

    @property
    def name(self) -> sends.Channel:
        """The ``channel`` of the surveys it carries and of their events."""
        ...

    @property
    def provider(self) -> str:
        """Who takes its messages, as the events say: a label without personal data."""
        ...

    @property
    def server(self) -> str:
        """What readiness and the logs call the server that takes its messages."""
        ...

    @property
    def server_settings(self) -> str:
        """The settings to check when that server accepts nothing, by name."""
        ...

    @property
    def has_receipts(self) -> bool:
        """Whether ``was_accepted`` can be asked at all; if not, HEARBACK_COURIER_UNKNOWN_OUTCOME decides."""
        ...

    def message_id(self, send_id: str) -> str:
        """The id the message of a survey carries, the same on every attempt."""
        ...

    def compose(self, delivery: QueuedDelivery, campaign: CampaignPublished, now: datetime) -> M | Ending:
        """The message for this delivery, or how it ends because there cannot be one. Does no I/O."""
        ...

    async def transmit(self, message: M, may_begin: Callable[[], bool]) -> Outcome:
        """Makes one attempt, in bounded time. A provider in trouble is an outcome, never an exception.

        Asks ``may_begin`` at the last moment before the provider could have the message, and on False returns
        NOT_BEGUN. When it cannot tell whether the provider has the message, the outcome is ``unresolved``.
        """
        ...

    async def was_accepted(self, message_id: str) -> bool | None:
        """Whether the provider took responsibility for the message; None when it does not reply now: ask again."""
        ...

    async def rest(self) -> None:
        """There is nothing to transmit at the moment: what is kept open for the next message may be closed."""
        ...

    async def close(self) -> None:
        """The process ends."""
        ...
