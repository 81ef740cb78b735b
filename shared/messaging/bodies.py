"""The bodies of a batch's messages, with their type."""

from collections.abc import Iterable
from typing import Any, TypeVar

from shared.contracts.cloudevents import Message
from shared.contracts.light import Light
from shared.contracts.types import Contract

Body = TypeVar("Body", bound=Contract | Light)


def bodies(messages: Iterable[Message], *types: type[Body]) -> list[Body]:
    """The bodies in order; each must be of one of ``types``, else TypeError: what a topic carries is in its catalogue,
    and a handler that knows only some of it must choose them by ``Message.type`` first."""
    listed = list(messages)
    found: list[Any] = [message.body for message in listed]
    if not all(issubclass(kind, types) for kind in set(map(type, found))):
        with_bodies(listed, *types)
    return found


def with_bodies(messages: Iterable[Message], *types: type[Body]) -> list[tuple[Message, Body]]:
    """The messages in order, each with its body; TypeError like ``bodies``."""
    pairs: list[tuple[Message, Body]] = []
    for message in messages:
        if not isinstance(message.body, types):
            expected = " or ".join(each.__name__ for each in types)
            raise TypeError(f"{message.type} on {message.topic} has a {type(message.body).__name__}, not {expected}")
        pairs.append((message, message.body))
    return pairs
