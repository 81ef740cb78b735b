"""The ids found in a record that nobody could read: whatever it holds, looking for them fails nothing."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shared.digests import CustomerDigests
from shared.messaging.records import DeadLetter
from shared.messaging.subjects import subjects

DIGESTS = CustomerDigests("x" * 32)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["customer", "id", "order_id", "customer_id", "data"]), inner, max_size=4)
    ),
)


def letter(key: bytes | None, value: bytes | None) -> DeadLetter:
    return DeadLetter(topic="orders", partition=0, offset=0, key=key, value=value, headers=(), reason="")


@given(st.none() | st.binary(max_size=300), st.none() | st.binary(max_size=50) | anything.map(orjson.dumps))
def test_whatever_a_record_holds(key: bytes | None, value: bytes | None) -> None:
    for found in subjects(letter(key, value), DIGESTS):
        assert len(found) == 32 and int(found, 16) >= 0


def test_key_customer_and_order_are_found_in_either_mode() -> None:
    body = {"order_id": 7, "customer": {"id": "c-1"}}
    expected = sorted(DIGESTS.subject(one) for one in ("k", "7", "c-1"))
    assert subjects(letter(b"k", orjson.dumps(body)), DIGESTS) == expected
    assert subjects(letter(b"k", orjson.dumps({"data": body})), DIGESTS) == expected
    assert subjects(letter(None, b"{not json"), DIGESTS) == []
