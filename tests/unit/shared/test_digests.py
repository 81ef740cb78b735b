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


@given(st.lists(customer_ids, min_size=2, max_size=2, unique=True))
def test_customers_and_secrets_are_told_apart(pair: list[str]) -> None:
    one, other = pair
    digests = CustomerDigests(SECRET)
    assert digests.digest(one) != digests.digest(other)
    assert digests.key(one) != digests.key(other)
    assert digests.digest(one) != CustomerDigests(SECRET + "!").digest(one)


def test_the_key_of_a_known_customer_does_not_depend_on_the_secret() -> None:
    """Rows are stored under it: with another value nothing would find them."""
    for secret in (SECRET, SECRET + "!"):
        assert CustomerDigests(secret).key("c-42") == UUID("fe0ebdce-6ad7-a768-e416-a35b0a1de2e9")


def test_a_mailbox_has_one_digest_however_it_is_written() -> None:
    digests = CustomerDigests(SECRET)
    expected = hmac.new(SECRET.encode(), b"hearback.mailbox\x1ftwin@example.com", hashlib.sha256).hexdigest()
    assert digests.mailbox(" Twin@Example.com") == digests.mailbox("twin@example.com") == expected
    assert CustomerDigests(SECRET + "!").mailbox("twin@example.com") != expected
    assert digests.digest("twin@example.com").hex() != expected
