"""What a mail server's reply means for a message."""

import pytest

from shared.mail.replies import Stage, outcome_of_reply


@pytest.mark.parametrize(
    ("stage", "code", "text", "kind", "reason"),
    [
        ("recipient", 550, "5.1.1 <ana@example.com> unknown", "bounced", "550 5.1.1"),
        ("recipient", 550, "ana@example.com unknown", "bounced", "550"),
        ("recipient", 554, "5.7.1 Relay access denied", "failed", "554 5.7.1"),
        ("recipient", 451, "4.7.1 Greylisted", "put_off", "451 4.7.1"),
        # What is said of us or of the server blames no recipient, however many are refused with it.
        ("recipient", 421, "Too many", "unavailable", "421"),
        ("recipient", 530, "5.7.0 Authentication required", "unavailable", "530 5.7.0"),
        ("recipient", 503, "5.5.1 MAIL first", "unavailable", "503 5.5.1"),
        ("content", 552, "5.3.4 Too big", "failed", "552 5.3.4"),
        ("content", 452, "Out of storage", "put_off", "452"),
        # Neither a rejection nor the expected reply: the server may have it.
        ("content", 354, "nonsense", "unresolved", "354"),
        ("content", 251, "queued somewhere", "unresolved", "251"),
        ("content", 600, "nonsense", "unresolved", "600"),
        ("content", 400, "later", "put_off", "400"),
        ("content", 500, "never", "failed", "500"),
        ("recipient", 502, "5.5.1 not here", "unavailable", "502 5.5.1"),
        ("recipient", 600, "nonsense", "put_off", "600"),
    ],
)
def test_what_a_reply_means(stage: Stage, code: int, text: str, kind: str, reason: str) -> None:
    outcome = outcome_of_reply(stage, code, text)
    assert (outcome.kind, outcome.reason) == (kind, reason)
