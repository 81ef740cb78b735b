"""What can be written to, and what is rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.mail.addresses import InvalidAddress, comparable, domain_of, mailbox


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ana@example.com", "ana@example.com"),
        (" ana+shop@Example.COM ", "ana+shop@example.com"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("ana@BÜCHER。example", "ana@xn--bcher-kva.example"),
        # A domain of its own, not strasse.example; nor do final sigmas become others.
        ("ana@straße.example", "ana@xn--strae-oqa.example"),
        ("ana@φάσσος.example", "ana@xn--hxa2bjcap.example"),
        ("o'neil/x=y@mail.example.com", "o'neil/x=y@mail.example.com"),
        ("ana@localhost", "ana@localhost"),
        # Japanese carriers gave such addresses out; on the wire they are quoted strings (RFC 5321 §4.1.2).
        ("a..b@example.jp", '"a..b"@example.jp'),
        ("a.b.@example.jp", '"a.b."@example.jp'),
        ('"a..b"@example.jp', '"a..b"@example.jp'),
        # Typed with a Japanese keyboard in full width.
        ("ana＠example.jp", "ana@example.jp"),
        ("　ａｎａ．ｂ＠ｅｘａｍｐｌｅ．ｊｐ", "ana.b@example.jp"),
        # Copied along unseen: zero-width spaces, a byte order mark, a soft hyphen, marks of direction.
        ("\u200bana@example.com\u200b", "ana@example.com"),
        ("\ufeffana\u2060@exam\u00adple.com", "ana@example.com"),
        ("\u202aana@example.com\u202c", "ana@example.com"),
        ("a\u200dna@example.com", "ana@example.com"),
    ],
)
def test_addresses_people_have_can_be_written_to(written: str, read: str) -> None:
    assert mailbox(written) == read


@pytest.mark.parametrize(
    "address",
    [
        "", "ana", "@example.com", "ana@", "a b@example.com", "ana@exa mple.com", "ana@example..com", "ana@-x.com",
        "ana\r\n@example.com", "ana@example.com\r\nRCPT TO:<b@example.com>", "ana@example.com>", "<ana@example.com>",
        '"ana"@example.com', ".ana@example.com", "..@example.com", '"a b..c"@example.com', "ana@[127.0.0.1]",
        "ána@example.com",
        "a" * 65 + "@example.com", "ana@" + "x" * 64 + ".com", "ana@" + ".".join(["x" * 60] * 5), "a@b@", "a,b@x.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        mailbox(address)
    assert len(address) < 8 or address not in str(refused.value)


characters = st.sampled_from("aZ09.-_+@ é\u200bＡ'\"\n")
addresses = st.builds("{}@{}".format, st.text(characters, max_size=12), st.text(characters, max_size=12))


@given(addresses | st.builds("{}@{}.com".format, st.text("aB.", max_size=70), st.text("cD-.", max_size=70)))
def test_what_is_comparable_is_the_mailbox_in_lower_case_if_it_is_one(address: str) -> None:
    """Digests are taken of it and stored, so that another form would recognise nobody."""
    try:
        expected = mailbox(address).lower()
    except InvalidAddress:
        expected = address.strip().casefold()
    assert comparable(address) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Twin@Example.com", "twin@example.com", True),
        (" ana@bücher.example", "ANA@xn--bcher-kva.example", True),
        ("ana＠example.jp", "ana@example.jp", True),
        ("No Address", "no address ", True),
        ("ana@example.com", "ana+shop@example.com", False),
        ("ana@example.com", "ana@example.org", False),
    ],
)
def test_spellings_of_one_mailbox_are_equal(one: str, other: str, same: bool) -> None:
    assert (comparable(one) == comparable(other)) is same


@given(st.text(max_size=80))
def test_an_address_that_passes_cannot_end_a_command_or_a_header(text: str) -> None:
    try:
        passed = mailbox(text)
    except InvalidAddress:
        return
    unquoted = passed[1:].replace('"@', "@") if passed.startswith('"') else passed
    assert passed.isascii() and passed.isprintable() and not set(unquoted) & set(' <>,;:"\\()[]')
    assert mailbox(passed) == passed
    assert domain_of(passed)
