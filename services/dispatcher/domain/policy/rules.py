"""The rules of the contact policy, in order: the first that objects decides.

A new rule is a module like the others, its line in RULES, and its reason in ``domain/reasons.py``.
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
    """A module with one rule: pure, and it may assume that the rules before it had no objection."""

    REASONS: tuple[Reason, ...]
    """Every reason it may give."""

    def check(self, survey: DueSurvey, /) -> Objection | None:
        """What speaks against sending ``survey`` now; None when nothing does."""
        ...


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
