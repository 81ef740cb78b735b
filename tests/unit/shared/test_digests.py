"""A digest recognises a customer who was erased, to whoever has the secret."""

import hashlib
import hmac
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.digests import CustomerDigests

SECRET = "a-secret-of-at-least-32-characters"
customer_ids = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(customer_ids)
def test_the_digest_is_hmac_sha256_under_our_purpose(customer_id: str) -> None:
    """Byte for byte what the tables hold already."""
    expected = hmac.new(SECRET.encode(), f"hearback.erasure\x1f{customer_id}".encode(), hashlib.sha256).digest()
    assert CustomerDigests(SECRET).digest(customer_id) == expected


def test_the_digest_of_a_known_customer() -> None:
    assert (
        CustomerDigests(SECRET).digest("c-42").hex()
        == "94f07d58253fdeed3b1a02a47d26fc1154f1c10a51c00be9a459209cdc822d77"
    )
    assert CustomerDigests(SECRET).key("c-42") == UUID("94f07d58-253f-deed-3b1a-02a47d26fc11")


@given(st.lists(customer_ids, min_size=2, max_size=2, unique=True))
def test_customers_and_secrets_are_told_apart(pair: list[str]) -> None:
    one, other = pair
    digests = CustomerDigests(SECRET)
    assert digests.digest(one) != digests.digest(other)
    assert digests.key(one) != digests.key(other)
    assert digests.digest(one) != CustomerDigests(SECRET + "!").digest(one)


@given(customer_ids)
def test_the_key_is_the_digests_first_half(customer_id: str) -> None:
    digests = CustomerDigests(SECRET)
    assert digests.key(customer_id).bytes == digests.digest(customer_id)[:16]
