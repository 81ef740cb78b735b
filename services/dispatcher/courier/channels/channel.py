"""The interface the courier needs from a channel. Nothing above this folder knows more about any of them."""

from datetime import datetime
from typing import Protocol, TypeVar

from services.dispatcher.courier.domain.deliveries import Ending, QueuedDelivery
from shared.contracts import sends
from shared.contracts.campaigns import CampaignPublished
from shared.transmission import MayBegin, TransmissionOutcome

M = TypeVar("M")
"""A channel's message, ready to transmit; opaque to everything but the channel."""


class Channel(Protocol[M]):
    """One way to reach a customer.

    The courier composes a delivery, commits that it is about to be transmitted, transmits it, and commits the outcome.
    It may crash between any two of these: a channel must not assume that what it composed gets transmitted, nor that
    the same process asks about it later. Any number of ``transmit`` calls run concurrently.
    """

    @property
    def name(self) -> sends.Channel:
        """The ``channel`` of the surveys it carries and of their events."""
        ...

    @property
    def provider(self) -> str:
        """The provider's name in events: a label without personal data."""
        ...

    @property
    def server(self) -> str:
        """The provider's server, as named in readiness and logs."""
        ...

    @property
    def server_settings(self) -> str:
        """Names of the settings to check when that server accepts nothing."""
        ...

    @property
    def attempt_seconds(self) -> float:
        """How long an attempt takes at most, once it has begun."""
        ...

    @property
    def has_receipts(self) -> bool:
        """Whether ``was_accepted`` is supported; if not, HEARBACK_COURIER_UNKNOWN_OUTCOME decides."""
        ...

    def message_id(self, send_id: str) -> str:
        """The message id of a survey, the same on every attempt."""
        ...

    def compose(self, delivery: QueuedDelivery, campaign: CampaignPublished, now: datetime) -> M | Ending:
        """The message for this delivery, or the ending if none can be composed. Does no I/O."""
        ...

    async def transmit(self, message: M, may_begin: MayBegin) -> TransmissionOutcome:
        """Makes one attempt, in bounded time. A failing provider is an outcome, never an exception.

        Asks ``may_begin`` before it waits for its turn, for the moment when that comes, and again at the last moment
        before the provider could have the message; on False it returns NOT_BEGUN. When it cannot tell whether the
        provider has the message, the outcome is ``unresolved``.
        """
        ...

    async def was_accepted(self, message_id: str) -> bool | None:
        """Whether the provider accepted the message; None when it does not reply: ask again later."""
        ...

    async def rest(self) -> None:
        """Called when there is nothing to transmit: idle connections may be closed."""
        ...

    async def close(self) -> None:
        """Called at shutdown."""
        ...
