"""API keys: read strictly, compared by hash, limited to their scopes."""

from hashlib import sha256

import pytest

from shared.api_keys import read_keys
from shared.web.auth import Authenticator, require

DIGEST = sha256(b"the key").hexdigest()


def test_a_key_is_known_by_its_hash_and_may_do_what_it_says() -> None:
    authenticator = Authenticator(keys=f"shop:{DIGEST}:answers:write,scores:read", secrets=["s" * 32])
    caller = authenticator.caller("the key")
    assert caller is not None
    assert caller.name == "shop"
    assert caller.may("answers:write")
    assert not caller.may("cases:read")
    assert authenticator.caller("another key") is None
    assert authenticator.caller(DIGEST) is None


def test_a_session_ends_with_its_key() -> None:
    entry = f"ana:{DIGEST}:*"
    session = Authenticator(keys=entry, secrets=["s" * 32]).session_for("the key")
    caller = Authenticator(keys=entry, secrets=["s" * 32]).caller_of_session(session)
    assert caller is not None
    assert caller.may("cases:write")
    assert Authenticator(keys="", secrets=["s" * 32]).caller_of_session(session) is None
    assert Authenticator(keys=entry, secrets=["t" * 32]).caller_of_session(session) is None
    assert Authenticator(keys=entry, secrets=["s" * 32]).caller_of_session(session[:-2]) is None


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("shop:abc:*", "entry 1 is not name"),
        (f"shop:{DIGEST}:answers:burn", "the unknown scope 'answers:burn'"),
        ("x", "entry 1"),
    ],
)
def test_a_bad_entry_is_named(entry: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_keys(entry)


def test_a_scope_nobody_can_have_is_a_mistake_in_the_code() -> None:
    with pytest.raises(ValueError, match="is not a scope"):
        require("answers:burn")


def test_sessions_outlive_a_new_secret_while_the_former_one_is_listed() -> None:
    entry = f"ana:{DIGEST}:*"
    session = Authenticator(keys=entry, secrets=["s" * 32]).session_for("the key")
    rotated = Authenticator(keys=entry, secrets=["t" * 32, "s" * 32])
    assert rotated.caller_of_session(session) is not None
    # The new one signs: sessions are no longer valid where only the former secret is known.
    assert Authenticator(keys=entry, secrets=["s" * 32]).caller_of_session(rotated.session_for("the key")) is None
