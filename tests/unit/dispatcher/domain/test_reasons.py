"""Every reason has its words, something that gives it, and makes a sentence with whatever outcome it explains."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import services.dispatcher
from services.dispatcher.domain.orders import STOP_REASONS
from services.dispatcher.domain.policy.rules import RULES
from services.dispatcher.domain.reasons import Outcome, Reason, explain

UNTIL = datetime(2026, 6, 16, 10, tzinfo=UTC)
SERVICE = Path(str(services.dispatcher.__file__)).parent


def given_by_functions() -> Iterator[str]:
    """The names of the reasons that stand inside a function of the dispatcher, but for what explains them."""
    for file in SERVICE.rglob("*.py"):
        if file.name == "reasons.py":
            continue
        for function in ast.walk(ast.parse(file.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason":
                    yield node.attr


@pytest.mark.parametrize("code", [*Outcome, *Reason])
def test_every_code_has_its_words(code: Outcome | Reason) -> None:
    assert " " in code.words or (isinstance(code, Outcome) and code.words.endswith(":"))
    assert code.value not in code.words or "_" not in code.value


def test_every_reason_can_be_given() -> None:
    of_rules = {reason for rule in RULES for reason in rule.REASONS}
    given = {Reason[name] for name in given_by_functions()}
    assert set(Reason) - given - set(STOP_REASONS.values()) == set()
    assert of_rules <= given | set(STOP_REASONS.values())


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("reason", Reason)
def test_a_sentence_has_a_beginning_and_an_end_and_no_gaps(outcome: Outcome, reason: Reason) -> None:
    for sentence in (explain(outcome, reason), explain(outcome, reason, UNTIL, "product-nps")):
        assert sentence[0].isupper()
        assert sentence.endswith(".") and not sentence.endswith("..")
        assert not set("{}_") & set(sentence)


def test_a_deferred_survey_is_told_with_its_moment_and_the_campaign_it_waits_for() -> None:
    assert explain(Outcome.DEFERRED, Reason.QUIET_PERIOD, UNTIL, "product-nps") == (
        "Deferred until 2026-06-16 10:00 UTC: product-nps asked this customer recently."
    )


def test_a_question_another_campaign_kept_from_being_asked_in_time_is_told_so() -> None:
    sentence = explain(Outcome.SKIPPED, Reason.EXPIRED, UNTIL, "product-nps")
    assert "product-nps" in sentence and "2026-06-16 10:00" in sentence
    alone = explain(Outcome.SKIPPED, Reason.EXPIRED)
    assert "another campaign" not in alone and "too late" in alone
    assert explain(Outcome.SKIPPED, Reason.UNSUBSCRIBED, UNTIL, "product-nps") == explain(
        Outcome.SKIPPED, Reason.UNSUBSCRIBED
    )


def test_a_code_logged_by_a_newer_version_speaks_for_itself() -> None:
    assert explain(Outcome("sent"), Reason("due")) == explain(Outcome.SENT, Reason.DUE)
    assert explain(Outcome.SKIPPED, Reason("full_{moon}")) == "Not sent: full_{moon}."
    assert Reason("full_{moon}") not in list(Reason)
