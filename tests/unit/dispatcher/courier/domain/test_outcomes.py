"""Addresses, outcomes, pauses and settings: the courier's rules without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from services.dispatcher.courier.domain.addresses import BadAddress, domain_of, mailbox
from services.dispatcher.courier.domain.outcomes import outcome_of_reply, pause_seconds
from services.dispatcher.courier.settings import CourierSettings, server_from


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
    ],
)
def test_addresses_people_have_can_be_written_to(written: str, read: str) -> None:
    assert mailbox(written) == read


@pytest.mark.parametrize(
    "address",
    [
        "", "ana", "@example.com", "ana@", "a b@example.com", "ana@exa mple.com", "ana@example..com", "ana@-x.com",
        "ana\r\n@example.com", "ana@example.com\r\nRCPT TO:<b@example.com>", "ana@example.com>", "<ana@example.com>",
        '"ana"@example.com', ".ana@example.com", "ana..b@example.com", "ana@[127.0.0.1]", "ána@example.com",
        "a" * 65 + "@example.com", "ana@" + "x" * 64 + ".com", "ana@" + ".".join(["x" * 60] * 5), "a@b@", "a,b@x.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(BadAddress) as refused:
        mailbox(address)
    assert len(address) < 8 or address not in str(refused.value)


@given(st.text(max_size=80))
def test_an_address_that_passes_cannot_end_a_command_or_a_header(text: str) -> None:
    try:
        passed = mailbox(text)
    except BadAddress:
        return
    assert passed.isascii() and passed.isprintable() and not set(passed) & set(' <>,;:"\\()[]')
    assert mailbox(passed) == passed
    assert domain_of(passed)


@pytest.mark.parametrize(
    ("stage", "code", "text", "kind", "reason"),
    [
        ("recipient", 550, "5.1.1 <ana@example.com> unknown", "bounced", "550 5.1.1"),
        ("recipient", 550, "ana@example.com unknown", "bounced", "550"),
        ("recipient", 554, "5.7.1 Relay access denied", "failed", "554 5.7.1"),
        ("recipient", 451, "4.7.1 Greylisted", "put_off", "451 4.7.1"),
        # What is said of us or of the server blames no recipient, however many are refused with it.
        ("recipient", 421, "Too many", "unbegun", "421"),
        ("recipient", 530, "5.7.0 Authentication required", "unbegun", "530 5.7.0"),
        ("recipient", 503, "5.5.1 MAIL first", "unbegun", "503 5.5.1"),
        ("content", 552, "5.3.4 Too big", "failed", "552 5.3.4"),
        ("content", 452, "Out of storage", "put_off", "452"),
        # No refusal, and not what was to be said: the server may have it.
        ("content", 354, "nonsense", "unknown", "354"),
        ("content", 251, "queued somewhere", "unknown", "251"),
        ("content", 600, "nonsense", "unknown", "600"),
        ("content", 400, "later", "put_off", "400"),
        ("content", 500, "never", "failed", "500"),
        ("recipient", 502, "5.5.1 not here", "unbegun", "502 5.5.1"),
        ("recipient", 600, "nonsense", "put_off", "600"),
    ],
)
def test_what_a_reply_means(stage: str, code: int, text: str, kind: str, reason: str) -> None:
    outcome = outcome_of_reply(stage, code, text)  # type: ignore[arg-type]
    assert (outcome.kind, outcome.reason) == (kind, reason)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_pauses_grow_to_a_limit_and_never_beyond(attempts: int, chance: float) -> None:
    pause = pause_seconds(attempts, 10, 3_600, chance)
    middle = min(3_600, 10 * 2 ** min(max(attempts, 1) - 1, 20))
    assert 0.75 * middle <= pause <= 1.25 * middle
    assert pause_seconds(attempts, 10, 3_600, 0.5) == middle
    assert pause_seconds(attempts + 1, 10, 3_600, chance) >= pause


def test_mail_servers_by_their_address() -> None:
    server = server_from("smtp+starttls://shop:p%40ss@mail.example")
    assert (server.host, server.port, server.start_tls, server.user, server.password) == (
        "mail.example", 587, True, "shop", "p@ss",
    )  # fmt: skip
    assert "p@ss" not in repr(server)
    assert server_from("smtps://mail.example").tls
    assert server_from("smtp://mail.example:2525").port == 2525


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("smtp_url", SecretStr("http://mail.example"), "smtp+starttls://"),
        ("smtp_url", SecretStr("smtp://"), "name a host"),
        ("mail_from", "Shop <a@b.c>", "no address to send from"),
        ("smtp_receipts_url", "file:///etc/passwd", "http"),
        ("courier_lease_seconds", 20, "at least twice"),
    ],
)
def test_a_senseless_setting_is_refused_with_a_sentence(name: str, value: object, sentence: str) -> None:
    with pytest.raises(ValidationError, match="1 validation error") as refused:
        CourierSettings(secret=SecretStr("s" * 32), **{name: value})  # type: ignore[arg-type]
    assert sentence in str(refused.value)
