"""The dispatcher's decision log, indexed: the last decision about an event, a timer, an order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.requests import REQUESTED
from tools.audit.facts import Decision, Timer

VERDICTS = ("sent", "skipped")

REASONS_WITHOUT_TIMER = frozenset({"too_late", "not_in_audience", "erased"})
"""Reasons in the log why an order that reached its milestone has no timer."""


@dataclass(slots=True)
class DecisionLog:
    """``by_event`` by source and id; ``verdicts``, ``deferrals`` and ``cancelled`` by timer id, the last of each."""

    by_event: dict[tuple[str, str], Decision] = field(default_factory=dict)
    verdicts: dict[str, Decision] = field(default_factory=dict)
    deferrals: dict[str, Decision] = field(default_factory=dict)
    cancelled: dict[str, Decision] = field(default_factory=dict)
    settled: set[tuple[str, str]] = field(default_factory=set)
    """Order and campaign pairs that have a verdict."""
    no_timer_expected: set[tuple[str, str]] = field(default_factory=set)
    """Order and campaign pairs whose last decision gives a reason why there is no timer."""
    timer_set_at: dict[tuple[str, str], int] = field(default_factory=dict)
    """Order and campaign to the position at which the timer was last set or moved."""
    last_event: dict[str, Decision] = field(default_factory=dict)
    """Order to the decision about its most recently handled event."""

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> "DecisionLog":
        """``decisions`` must be ordered by position."""
        log = cls()
        for decision in decisions:
            if decision.event is not None:
                log._about_event(decision.event, decision)
            elif decision.timer_id is not None:
                log._about_timer(decision.timer_id, decision)
        return log

    def check_at(self, timer: Timer, set_at: int) -> datetime:
        """When a timer last set or moved at position ``set_at`` is checked: at its milestone, or after its deferral."""
        deferral = self.deferrals.get(timer.timer_id)
        if deferral is None or deferral.until is None or deferral.position < set_at:
            return timer.due_at
        return deferral.until

    def _about_event(self, event: tuple[str, str], decision: Decision) -> None:
        self.by_event[event] = decision
        if decision.order_id is None or decision.event_type == REQUESTED:
            return
        self.last_event[decision.order_id] = decision
        for effect in decision.effects:
            subject = decision.order_id, effect.campaign
            if effect.change in ("set", "moved"):
                self.timer_set_at[subject] = decision.position
                self.no_timer_expected.discard(subject)
            elif effect.reason in REASONS_WITHOUT_TIMER:
                self.no_timer_expected.add(subject)

    def _about_timer(self, timer_id: str, decision: Decision) -> None:
        if decision.outcome in VERDICTS:
            self.verdicts[timer_id] = decision
            if decision.order_id is not None and decision.campaign is not None:
                self.settled.add((decision.order_id, decision.campaign))
        elif decision.outcome == "deferred":
            self.deferrals[timer_id] = decision
        else:
            self.cancelled[timer_id] = decision
            if (
                decision.order_id is not None
                and decision.campaign is not None
                and decision.reason in REASONS_WITHOUT_TIMER
            ):
                self.no_timer_expected.add((decision.order_id, decision.campaign))
