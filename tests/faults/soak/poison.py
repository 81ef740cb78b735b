"""Records nobody can read, published as a broken client would."""

import hashlib
import json
from collections.abc import Callable
from random import Random

from shared.contracts.cloudevents import Headers
from tests.faults.soak.journal import Journal
from tests.kit.raw_records import Raw, batch_of, publish

TOPICS = {
    "orders": (6, "order.placed"),
    "customers.preferences": (6, "preference.unsubscribed"),
    "surveys.requests": (3, "survey.requested"),
    "surveys.sends": (6, "survey.sent"),
    "surveys.campaigns": (1, "campaign.published"),
    "surveys.deliveries": (6, "delivery.accepted"),
    "surveys.answers": (6, "answer.recorded"),
}
"""What somebody consumes: its partitions, and a type of event it carries."""
KEY = b"poison-"
"""Every key begins with it, so that no record of the product is replaced."""
HUGE = 930_000
LARGEST_KEPT = 900_000
"""A dead letter has no more of a value than this many bytes: a broker would refuse it with our headers."""


def _headers(kind: str, number: int) -> list[tuple[str, bytes | None]]:
    return [
        ("ce_specversion", b"1.0"), ("ce_id", b"poison-%d" % number), ("ce_source", b"/broken"),
        ("ce_type", kind.encode()), ("content-type", b"application/json"),
    ]  # fmt: skip


def _unreadable(kind: str, number: int) -> tuple[bytes | None, Headers]:
    return b"\x00\x01{not json %d" % number, _headers(kind, number)


def _wrong_types(kind: str, number: int) -> tuple[bytes | None, Headers]:
    body = {name: [number] for name in ("order_id", "customer_id", "send_id", "answer_id", "campaign", "customer")}
    return json.dumps(body).encode(), _headers(kind, number)


def _no_headers(_kind: str, number: int) -> tuple[bytes | None, Headers]:
    return b'{"order_id": "poison-%d"}' % number, []


def _header_without_value(kind: str, number: int) -> tuple[bytes | None, Headers]:
    return b"{}", [*_headers(kind, number)[:3], ("ce_type", None), ("ce_type", None)]


def _another_type(_kind: str, number: int) -> tuple[bytes | None, Headers]:
    return b"{}", _headers("parcel.lost", number)


def _odd_bytes(kind: str, number: int) -> tuple[bytes | None, Headers]:
    return b"{}", [*_headers(kind, number)[:3], ("ce_type", b"\xff\xfe\x00")]


def _header_name(kind: str, number: int) -> tuple[bytes | None, Headers]:
    return b"{}", [*_headers(kind, number), ("QQQQ", b"a name that is not UTF-8")]


def _tombstone(kind: str, number: int) -> tuple[bytes | None, Headers]:
    return None, _headers(kind, number)


def _huge(kind: str, number: int) -> tuple[bytes | None, Headers]:
    return b"[" + b"9," * (HUGE // 2) + b"0]", _headers(kind, number)


_Make = Callable[[str, int], tuple[bytes | None, Headers]]
KINDS: tuple[_Make, ...] = (
    _unreadable, _wrong_types, _no_headers, _header_without_value, _another_type, _odd_bytes, _header_name, _tombstone,
    _huge,
)  # fmt: skip


class Poison:
    def __init__(self, random: Random, bootstrap_servers: str, journal: Journal) -> None:
        self._random = random
        self._bootstrap_servers = bootstrap_servers
        self._journal = journal
        self._made = 0

    async def publish(self, topic: str) -> str:
        """One record of each of two kinds; returns which. Raises KafkaError, OSError or AssertionError without a
        broker: they may be on the topic all the same."""
        partitions, event_type = TOPICS[topic]
        partition = self._random.randrange(partitions)
        names = []
        for make in (KINDS[self._made % len(KINDS)], self._random.choice(KINDS)):
            self._made += 1
            value, headers = make(event_type, self._made)
            record = Raw(value, headers, key=b"%s%d" % (KEY, self._made))
            replace = (b"QQQQ", b"\xff\xfe\xfd\xfc") if make is _header_name else (b"", b"")
            await publish(self._bootstrap_servers, topic, partition, batch_of(record, replace=replace))
            self._journal.write(
                "poison", topic=topic, key=f"{KEY.decode()}{self._made}",
                sha256=None if value is None else hashlib.sha256(value[:LARGEST_KEPT]).hexdigest(),
            )  # fmt: skip
            names.append(make.__name__.strip("_"))
        return " and ".join(names)
