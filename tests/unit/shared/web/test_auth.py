"""API keys: read strictly, compared by hash, limited to their scopes."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from shared.api_keys import Authenticator, digest_of, read_keys
from shared.web.cookies import SESSION_SECONDS, Cookies

DIGEST = sha256(b"the key").hexdigest()


def test_a_key_is_known_by_its_hash_and_may_do_what_it_says() -> None:
    authenticator = Authenticator(f"shop:{DIGEST}:answers:write,scores:read")
    caller = authenticator.caller("the key")
    assert caller is not None
    assert caller.name == "shop"
    assert caller.may("answers:write")
    assert not caller.may("cases:read")
    assert authenticator.caller("another key") is None
    assert authenticator.caller(DIGEST) is None


def test_a_session_ends_with_its_key() -> None:
    cookies = Cookies(["s" * 32])
    session = cookies.read(cookies.begin(digest_of("the key")))
    assert session is not None
    caller = Authenticator(f"ana:{DIGEST}:*").caller_of(session.key_digest)
    assert caller is not None
    assert caller.may("cases:write")
    assert Authenticator("").caller_of(session.key_digest) is None


def test_a_cookie_that_was_altered_or_signed_by_others_is_no_session() -> None:
    cookies = Cookies(["s" * 32])
    cookie = cookies.begin(DIGEST)
    assert cookies.read(cookie[:-2]) is None
    assert Cookies(["t" * 32]).read(cookie) is None


def test_every_session_has_an_id_of_its_own_and_lasts_twelve_hours() -> None:
    cookies = Cookies(["s" * 32])
    one, other = (cookies.read(cookies.begin(DIGEST)) for _ in range(2))
    assert one is not None and other is not None and one.session_id != other.session_id
    assert abs(one.expires_at - datetime.now(UTC) - timedelta(hours=12)) < timedelta(minutes=1)


@pytest.mark.parametrize(("age", "is_valid"), [(0, True), (SESSION_SECONDS, True), (SESSION_SECONDS + 1, False)])
def test_a_cookie_is_no_session_once_it_is_older_than_twelve_hours(
    monkeypatch: pytest.MonkeyPatch, age: int, is_valid: bool
) -> None:
    """Whatever the browser does with it: a thief's copy is not thrown away."""
    now = 1_800_000_000
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _signer: now)
    cookies = Cookies(["s" * 32])
    cookie = cookies.begin(DIGEST)
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _signer: now + age)
    assert (cookies.read(cookie) is not None) is is_valid


def test_a_cookie_of_an_earlier_release_is_no_session() -> None:
    """It has no id, so nobody could sign out of it."""
    earlier = URLSafeTimedSerializer("s" * 32, salt="hearback.session").dumps(DIGEST)
    assert Cookies(["s" * 32]).read(earlier) is None


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


def test_sessions_outlive_a_new_secret_while_the_former_one_is_listed() -> None:
    former, rotated = Cookies(["s" * 32]), Cookies(["t" * 32, "s" * 32])
    assert rotated.read(former.begin(DIGEST)) is not None
    # The new one signs: sessions are no longer valid where only the former secret is known.
    assert former.read(rotated.begin(DIGEST)) is None
