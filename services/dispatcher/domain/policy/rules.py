"""The rules of the contact policy, in order: the first objection decides.

To add a rule, write a module like the others, list it in RULES, and add its reason to ``domain/reasons.py``.
"""

from typing import Protocol

from services.dispatcher.domain.policy import (
    active,
    audience,
    quiet_period,
    reachable,
    recent_order,
    stands_aside,
    stopped,
    validity,
)
from services.dispatcher.domain.policy.situation import DueSurvey
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason


class Rule(Protocol):
    """A module with one rule. It is pure, and may assume that no earlier rule objected."""

    REASONS: tuple[Reason, ...]
    """Every reason it may give."""

    def check(self, survey: DueSurvey, /) -> Objection | None:
        """The objection to sending ``survey`` now; None when there is none."""
        ...


def rule_of(reason: Reason) -> str | None:
    """The name of the rule that gives ``reason``; None when no rule does."""
    return next((_name(rule) for rule in RULES if reason in rule.REASONS), None)


def _name(rule: Rule) -> str:
    return str(getattr(rule, "__name__", rule)).rpartition(".")[2]


RULES: tuple[Rule, ...] = (
    active,
    stopped,
    validity,
    reachable,
    recent_order,
    audience,
    quiet_period,
    stands_aside,
)
