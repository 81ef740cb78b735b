"""The audit's own decoder, against what a shop may put on a topic."""

import pytest

from tools.audit.records import Event, Record, event_of

HEADERS = [("ce_source", b"/shop"), ("ce_id", b"e-1"), ("ce_type", b"order.placed")]
STRUCTURED = b'{"source": "/shop", "id": "e-1", "type": "order.placed", "data": {}}'


def record(value: bytes | None, headers: list[tuple[str, bytes | None]]) -> Record:
    return Record(topic="orders", partition=0, offset=0, key=None, value=value, headers=headers)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"{}", HEADERS),
        (b"{}", [*HEADERS, ("content-type", None), ("baggage", None)]),
        (STRUCTURED, [("content-type", b"Application/CloudEvents+JSON; charset=utf-8")]),
    ],
)
def test_an_event_is_read_in_either_mode(value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    assert event_of(record(value, headers)) == Event(source="/shop", id="e-1", type="order.placed", body={})


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (None, HEADERS),
        (b"[]", HEADERS),
        (b"\xff", HEADERS),
        (b"{}", [("ce_source", b"/shop"), ("ce_id", None), ("ce_type", b"order.placed")]),
        (b'{"id": 1}', [("content-type", b"application/cloudevents+json")]),
    ],
)
def test_anything_but_an_event_is_none_and_not_an_error(
    value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    assert event_of(record(value, headers)) is None
