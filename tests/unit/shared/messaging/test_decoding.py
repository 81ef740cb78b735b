"""A record is a message or a dead letter; what happened after it arrived is not believed."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from shared.contracts.cloudevents import Headers, Message
from shared.contracts.topics import ORDERS, REQUESTS
from shared.messaging.decoding import decode
from shared.messaging.records import DeadLetter

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SKEW = timedelta(minutes=15)


@dataclass
class Record:
    value: bytes | None
    type: str = "order.placed"
    partition: int = 0
    offset: int = 7
    key: bytes | None = b"c-1"
    headers: Headers = field(init=False)

    def __post_init__(self) -> None:
        self.headers = [("ce_id", b"e-1"), ("ce_source", b"/shop"), ("ce_type", self.type.encode())]


def order_at(moment: datetime) -> Record:
    return Record(orjson.dumps({"order_id": "1", "occurred_at": moment, "customer": {"id": "c-1"}}))


@pytest.mark.parametrize("ahead", [timedelta(days=-400), timedelta(0), SKEW])
def test_an_order_event_may_lie_a_little_ahead_of_its_arrival(ahead: timedelta) -> None:
    (item,) = decode(ORDERS, [order_at(NOON + ahead)], arrived_at=NOON, skew=SKEW)
    assert isinstance(item, Message)


@pytest.mark.parametrize(
    ("ahead", "told"), [(SKEW + timedelta(minutes=1), "16 minutes"), (timedelta(days=26_600), "38,304,000 minutes")]
)
def test_one_further_ahead_is_a_dead_letter_that_says_so(ahead: timedelta, told: str) -> None:
    good = order_at(NOON)
    wrong, right = decode(ORDERS, [order_at(NOON + ahead), good], arrived_at=NOON, skew=SKEW)
    assert isinstance(wrong, DeadLetter) and not wrong.unexpected
    assert wrong.reason.startswith(f"occurred_at: is {told} after the event arrived; check the clock")
    assert isinstance(right, Message)


def test_what_is_meant_to_lie_ahead_may() -> None:
    body = {
        "request_id": "r-1",
        "customer_id": "c-1",
        "campaign": "service-nps",
        "requested_by": "inbox",
        "requested_at": NOON + 2 * SKEW,
        "not_before": NOON + timedelta(days=30),
    }
    (item,) = decode(REQUESTS, [Record(orjson.dumps(body), "survey.requested")], arrived_at=NOON, skew=SKEW)
    assert isinstance(item, Message)
