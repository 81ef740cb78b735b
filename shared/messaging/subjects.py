"""What a record that was set aside seems to be about: so that whoever asks about a customer or an order hears of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from shared.digests import CustomerDigests
from shared.messaging.records import DeadLetter

_LONGEST = 200


def subjects(letter: DeadLetter, digests: CustomerDigests) -> list[str]:
    """Keyed digests of the ids of customers and orders that can be found in the record's key and value."""
    return sorted({digests.subject(found) for found in _ids(letter) if 0 < len(found) <= _LONGEST})


def _ids(letter: DeadLetter) -> Iterator[str]:
    if letter.key is not None:
        yield letter.key.decode("utf-8", "replace")
    try:
        body = orjson.loads(letter.value or b"")
    except orjson.JSONDecodeError:
        return
    yield from _ids_in(body)
    if isinstance(body, Mapping):  # a CloudEvent in structured mode
        yield from _ids_in(body.get("data"))


def _ids_in(body: Any) -> Iterator[str]:
    if not isinstance(body, Mapping):
        return
    customer = body.get("customer")
    of_customer = customer.get("id") if isinstance(customer, Mapping) else None
    for found in (body.get("order_id"), body.get("customer_id"), of_customer):
        # Whoever writes a number means the text of it.
        if isinstance(found, str | int) and not isinstance(found, bool):
            yield str(found)
