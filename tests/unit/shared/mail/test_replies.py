"""What a mail server's reply means: whether it speaks of the mailbox, of the message, or of us."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.mail.phrases import PHRASES, ReplyClass
from shared.mail.replies import Stage, class_of, outcome_of_reply

# In our words, in the notations that are in use: with an enhanced code, without one, in Cisco's, on several lines.
REPLIES: list[tuple[ReplyClass, Stage, int, str]] = [
    ("gone", "recipient", 550, "5.1.1 <ana@shop.example>: nobody of that name lives here"),
    ("gone", "recipient", 550, "5.1.1 Recipient address rejected: user unknown in the table of this server"),
    ("gone", "recipient", 550, "ana@shop.example unknown"),
    ("gone", "recipient", 550, "No such user here"),
    ("gone", "recipient", 550, "5.7.1 No such user, do not ask again"),
    ("gone", "recipient", 554, "5.7.1 The mailbox you wrote to does not exist"),
    ("gone", "recipient", 550, "#5.1.0 Address rejected."),
    ("gone", "recipient", 550, "#5.1.1 Bounced by us: unknown recipient"),
    ("gone", "recipient", 550, "5.1.1 We looked for this account.\n5.1.1 It is not there; see our help pages"),
    ("gone", "recipient", 550, "We are sorry.\nThe account has been\ndisabled"),
    ("gone", "recipient", 550, "5.2.1 Mailbox disabled, takes no messages"),
    ("gone", "recipient", 551, "User not local; no longer works with us"),
    ("gone", "recipient", 553, "5.1.3 That is not how addresses are written here"),
    ("gone", "recipient", 553, "Invalid recipient <ana@shop.example>"),
    ("gone", "recipient", 554, "delivery error: this user doesn't have an example.com account"),
    ("gone", "recipient", 550, "5.4.1 Recipient not found in the directory of this tenant"),
    ("gone", "recipient", 550, "5.1.10 RESOLVER: recipient not found"),
    ("gone", "recipient", 556, "5.1.10 The domain says that it takes no mail"),
    ("gone", "content", 550, "5.1.1 Known to nobody, now that we look"),
    ("gone", "content", 554, "Sorry, no mailbox here by that name"),
    ("full", "recipient", 552, "5.2.2 Mailbox full"),
    ("full", "recipient", 550, "5.2.2 They are over quota"),
    ("full", "recipient", 552, "Requested action aborted: exceeded storage allocation"),
    ("full", "recipient", 554, "The recipient's inbox is full, try them another way"),
    ("full", "recipient", 552, "#5.2.2 over quota"),
    ("full", "recipient", 550, "5.7.1 Quota exceeded (mailbox for user is full)"),
    ("full", "recipient", 452, "4.2.2 The account is over its quota; they may make room"),
    ("full", "recipient", 550, "5.1.1 We know them.\n5.1.1 But: account exceeded its storage quota"),
    ("full", "content", 552, "5.2.2 No room in the mailbox for this message"),
    ("full", "content", 452, "Not enough space for this user"),
    ("policy", "recipient", 550, "5.7.1 You are on a block list of ours"),
    ("policy", "recipient", 550, "5.7.1 Recipient address rejected: SPF check of the sender's domain failed"),
    ("policy", "recipient", 550, "SPF fails for your address"),
    ("policy", "recipient", 550, "5.1.1 Rejected: your reputation is too low for us"),
    ("policy", "recipient", 554, "5.7.1 Service refused; host is listed at a DNSBL"),
    ("policy", "recipient", 550, "5.4.1 Recipient address rejected: access denied"),
    ("policy", "recipient", 550, "#5.7.1 Your access to this mail system has been rejected"),
    ("policy", "recipient", 554, "#5.7.1 blacklisted"),
    ("policy", "recipient", 550, "Requested action not taken"),
    ("policy", "recipient", 553, "5.7.2 This restricted group takes nothing from outside"),
    ("policy", "recipient", 554, "Refused.\nSender's domain is too young for our security policy"),
    ("policy", "recipient", 550, "5.7.26 Neither DKIM nor SPF pass, and DMARC wants one of them"),
    ("policy", "sender", 552, "5.3.4 We take 20 kB and you announce 40"),
    ("policy", "content", 552, "5.3.4 Too big"),
    ("policy", "content", 554, "5.6.0 Looks like an advertisement"),
    ("policy", "content", 550, "5.7.1 Classified as spam, and thrown away"),
    ("policy", "content", 554, "5.7.9 Message not accepted: DMARC evaluation failed"),
    ("policy", "content", 554, "Transaction failed"),
    ("policy", "content", 500, "never"),
    ("set_up", "connect", 554, "5.7.1 Your network is on the list of networks we refuse"),
    ("set_up", "connect", 554, "No SMTP service for you"),
    ("set_up", "greeting", 550, "5.7.1 That name in EHLO is not yours"),
    ("set_up", "greeting", 504, "5.5.2 Need a name with a dot"),
    ("set_up", "login", 535, "5.7.8 Wrong password"),
    ("set_up", "login", 534, "5.7.9 Please log in with your web browser"),
    ("set_up", "sender", 530, "5.7.0 Authentication required"),
    ("set_up", "sender", 550, "5.1.8 The domain of the sender has no mail exchanger"),
    ("set_up", "sender", 553, "5.7.1 Sender address not owned by this login"),
    ("set_up", "sender", 501, "Syntax of the sender"),
    ("set_up", "recipient", 554, "5.7.1 <ana@shop.example>: Relay access denied"),
    ("set_up", "recipient", 550, "We do not relay"),
    ("set_up", "recipient", 550, "#5.7.1 Unable to relay for ana@shop.example"),
    ("set_up", "recipient", 530, "5.7.0 Must issue a STARTTLS command first"),
    ("set_up", "recipient", 503, "5.5.1 MAIL first"),
    ("set_up", "recipient", 502, "5.5.1 not here"),
    ("set_up", "recipient", 535, "Log in, please"),
    ("set_up", "recipient", 550, "5.7.60 Client has no permission to send as this sender"),
    ("set_up", "content", 554, "5.7.1 Message refused.\n5.7.1 Sender address is not verified with us"),
    ("set_up", "content", 503, "5.5.1 RCPT first"),
    ("throttled", "connect", 421, "4.7.0 Too many connections from you"),
    ("throttled", "connect", 554, "Too many connections; come back later"),
    ("throttled", "greeting", 421, "Closing"),
    ("throttled", "sender", 451, "4.7.1 Hourly limit of this login reached"),
    ("throttled", "sender", 421, "4.3.2 Shutting down"),
    ("throttled", "recipient", 421, "One thing at a time"),
    ("throttled", "recipient", 450, "4.7.1 You are sending too fast"),
    ("throttled", "recipient", 452, "4.5.3 That is more than I take at once"),
    ("throttled", "recipient", 450, "4.7.28 Unusual"),
    ("throttled", "recipient", 550, "5.7.1 Daily sending quota exceeded"),
    ("throttled", "content", 421, "#4.7.0 rate limit"),
    ("throttled", "content", 452, "4.3.1 Out of disk, all of us"),
    ("temporary", "connect", 450, "Not now"),
    ("temporary", "greeting", 451, "4.3.0 Local error"),
    ("temporary", "login", 454, "4.7.0 The directory of logins does not respond"),
    ("temporary", "sender", 451, "4.1.8 Cannot look up your domain"),
    ("temporary", "recipient", 450, "4.2.0 <ana@shop.example>: greylisted for five minutes"),
    ("temporary", "recipient", 451, "4.7.1 Greylisted"),
    ("temporary", "recipient", 450, "4.1.1 User unknown so far, we are looking"),
    ("temporary", "recipient", 450, "mailbox busy"),
    ("temporary", "recipient", 451, "#4.1.8 cannot find a host right now"),
    ("temporary", "recipient", 451, "4.4.1 First line.\n4.4.1 Second line, not reached"),
    ("temporary", "content", 451, "4.6.0 Scanner away"),
    ("temporary", "content", 400, "later"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "stage", "code", "text"), REPLIES)
def test_the_class_of_a_reply(expected: ReplyClass, stage: Stage, code: int, text: str) -> None:
    assert class_of(stage, code, text) == expected


def test_the_table_covers_what_servers_say_wherever_they_may_say_it() -> None:
    stages: dict[Stage, set[ReplyClass]] = {}
    for expected, stage, _, _ in REPLIES:
        stages.setdefault(stage, set()).add(expected)
    assert stages["recipient"] == {"gone", "full", "policy", "set_up", "throttled", "temporary"} == stages["content"]
    for stage in ("connect", "greeting", "sender"):
        assert stages[stage] >= {"set_up", "throttled", "temporary"}, stage


# Words of two classes. What is said of us counts before what is said of the message, and that before the mailbox.
AMBIGUOUS: list[tuple[ReplyClass, ReplyClass, str]] = [
    ("set_up", "throttled", "Authentication failed: too many attempts"),
    ("set_up", "policy", "Relay access denied, and your host is blacklisted"),
    ("set_up", "full", "Sending is suspended: quota exceeded"),
    ("set_up", "gone", "Recipient address rejected: user unknown; we do not relay"),
    ("throttled", "policy", "Blocked for an hour: too many messages from your network"),
    ("throttled", "full", "Over quota: too much mail from you today"),
    ("throttled", "gone", "No such user, and you ask for such too fast"),
    ("policy", "full", "This looks like spam, and the mailbox is full of it"),
    ("policy", "gone", "User unknown, or your message is against our policy"),
    ("full", "gone", "The account has been disabled, for it is over quota"),
]


@pytest.mark.parametrize(("decides", "other", "text"), AMBIGUOUS)
@pytest.mark.parametrize("stage", ["recipient", "content"])
def test_of_two_things_that_a_reply_says_the_mailbox_is_blamed_last(
    decides: ReplyClass, other: ReplyClass, text: str, stage: Stage
) -> None:
    assert {found for found, pattern in PHRASES if pattern.search(text.lower())} == {decides, other}
    assert class_of(stage, 550, text) == decides
    assert class_of(stage, 550, f"5.1.1 {text}") == decides


def test_every_two_classes_that_have_words_are_told_apart() -> None:
    by_weight: list[ReplyClass] = ["set_up", "throttled", "policy", "full", "gone"]
    assert {found for found, _ in PHRASES} == set(by_weight)
    assert [(decides, other) for decides, other, _ in AMBIGUOUS] == list(combinations(by_weight, 2))


@pytest.mark.parametrize(
    ("stage", "code", "text", "kind", "reason"),
    [
        ("recipient", 550, "5.1.1 <ana@example.com> unknown", "bounced", "550 5.1.1"),
        ("recipient", 550, "ana@example.com unknown", "bounced", "550"),
        ("recipient", 550, "#5.1.0 Address rejected.", "bounced", "550 5.1.0"),
        ("content", 550, "5.1.1 unknown", "bounced", "550 5.1.1"),
        ("recipient", 550, "5.7.1 On a list", "failed", "550 5.7.1"),
        ("content", 552, "5.3.4 Too big", "failed", "552 5.3.4"),
        ("recipient", 552, "5.2.2 Full", "put_off", "552 5.2.2"),
        ("recipient", 451, "4.7.1 Greylisted", "put_off", "451 4.7.1"),
        ("recipient", 421, "Too many", "throttled", "421"),
        ("recipient", 530, "5.7.0 Authentication required", "misconfigured", "530 5.7.0"),
        ("sender", 550, "5.1.8 Bad sender", "misconfigured", "550 5.1.8"),
        ("connect", 450, "Not now", "unavailable", "450"),
        ("greeting", 421, "4.7.0 Too many connections", "unavailable", "421 4.7.0"),
        ("sender", 451, "4.3.0 Local error", "unavailable", "451 4.3.0"),
        # Neither a refusal nor the expected reply: after the content, the server may have it.
        ("content", 354, "nonsense", "unresolved", "354"),
        ("content", 251, "queued somewhere", "unresolved", "251"),
        ("content", 600, "nonsense", "unresolved", "600"),
        ("recipient", 600, "nonsense", "put_off", "600"),
        ("sender", 250, "nonsense", "unavailable", "250"),
    ],
)
def test_what_follows_from_a_reply(stage: Stage, code: int, text: str, kind: str, reason: str) -> None:
    outcome = outcome_of_reply(stage, code, text)
    assert (outcome.kind, outcome.reason) == (kind, reason)


@given(st.sampled_from(["connect", "greeting", "login", "sender"]), st.integers(400, 599), st.text(max_size=80))
def test_before_a_recipient_was_named_no_mailbox_is_blamed(stage: Stage, code: int, text: str) -> None:
    assert class_of(stage, code, text) not in ("gone", "full") or code < 500
    assert outcome_of_reply(stage, code, text).kind not in ("bounced", "put_off", "throttled")


@given(st.text(max_size=300), st.integers(400, 499))
def test_what_may_pass_ends_no_delivery(text: str, code: int) -> None:
    assert outcome_of_reply("recipient", code, text).kind in ("put_off", "throttled", "misconfigured")


@given(st.integers(0, 999), st.text(max_size=2_000))
def test_a_reason_has_only_codes(code: int, text: str) -> None:
    reason = outcome_of_reply("recipient", code, text).reason
    assert reason is not None and reason.isascii() and set(reason) <= set("0123456789. ") and len(reason) <= 15
