"""What an event said, as a digest: an id that is used again for something else is told from a duplicate by it."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from pydantic.main import IncEx

from shared.contracts.cloudevents import Message
from shared.contracts.identity import uuid_text
from shared.contracts.orders import OrderEvent
from shared.contracts.requests import SurveyRequested
from shared.contracts.types import Contract

# What describes the person or is free text: it may be worded better when an event is sent again, and a digest of it
# would be kept for as long as the decision is.
_LEFT_OUT: Mapping[type[Contract], IncEx] = {
    OrderEvent: {"customer": {"email", "phone", "name"}, "attributes": True},
    SurveyRequested: {"reason"},
}


def content_digest(event_type: str, body: OrderEvent | SurveyRequested) -> str:
    """What an event says, without what describes the person or is free text: UUID-shaped, 16 bytes of BLAKE2b.

    Two events with one id are the same event if theirs are equal.
    """
    said = body.__pydantic_serializer__.to_json(body, exclude=_LEFT_OUT[type(body)], exclude_defaults=True)
    return uuid_text(blake2b(b"%b %b" % (event_type.encode(), said), digest_size=16).hexdigest())


def used_again(
    received: Iterable[tuple[Message, str, str | None]], known: Mapping[str, str | None]
) -> list[tuple[Message, str]]:
    """The events whose id is that of an earlier event that says something else, each with the reason to reject it.

    Each is given with its decision id and the digest of what it says. ``known`` has the digest of each event decided
    before, by decision id; None where it was not kept.
    """
    first = dict(known)
    rejected = []
    for message, name, digest in received:
        before = first.setdefault(name, digest)
        if before is not None and before != digest:
            rejected.append((message, _USED_AGAIN))
    return rejected


_USED_AGAIN = (
    "its ce_id is that of an earlier event of this ce_source that says something else; "
    "give every event an id of its own, and repeat the id only to send the same event again"
)
