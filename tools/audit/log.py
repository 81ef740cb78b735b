"""The dispatcher's decision log, looked up: what was decided last about an event, a timer, an order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tools.audit.facts import Decision, Timer

VERDICTS = ("sent", "skipped")
REQUESTED = "survey.requested"

NEVER_ASKED = frozenset({"too_late", "not_in_audience", "erased"})
"""Reasons for which an order that reached its milestone has no timer, as the log gives them."""


@dataclass(slots=True)
class Log:
    """``of_event`` by (source, id); ``verdicts``, ``deferrals`` and ``cancelled`` by timer, the last of each."""

    of_event: dict[tuple[str, str], Decision] = field(default_factory=dict)
    verdicts: dict[str, Decision] = field(default_factory=dict)
    deferrals: dict[str, Decision] = field(default_factory=dict)
    cancelled: dict[str, Decision] = field(default_factory=dict)
    through: set[tuple[str, str]] = field(default_factory=set)
    """Orders and campaigns about which the verdict was given."""
    never_asked: set[tuple[str, str]] = field(default_factory=set)
    """Orders and campaigns of which the log said last, and why, that there will be no timer."""
    set_at: dict[tuple[str, str], int] = field(default_factory=dict)
    """Order and campaign to the position at which its timer was set or moved last."""
    last_event: dict[str, Decision] = field(default_factory=dict)
    """Order to the decision about the event of it that was taken in last."""

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> "Log":
        """Of decisions in the order of their positions."""
        log = cls()
        for decision in decisions:
            if decision.event is not None:
                log._about_event(decision.event, decision)
            elif decision.timer_id is not None:
                log._about_timer(decision.timer_id, decision)
        return log

    def due_at(self, timer: Timer, set_at: int) -> datetime:
        """When a timer, set or moved last at position ``set_at``, is to be looked at: put off, or at its milestone."""
        deferral = self.deferrals.get(timer.timer_id)
        if deferral is None or deferral.until is None or deferral.position < set_at:
            return timer.milestone_at
        return deferral.until

    def _about_event(self, event: tuple[str, str], decision: Decision) -> None:
        self.of_event[event] = decision
        if decision.order_id is None or decision.event_type == REQUESTED:
            return
        self.last_event[decision.order_id] = decision
        for effect in decision.effects:
            subject = decision.order_id, effect.campaign
            if effect.change in ("set", "moved"):
                self.set_at[subject] = decision.position
                self.never_asked.discard(subject)
            elif effect.reason in NEVER_ASKED:
                self.never_asked.add(subject)

    def _about_timer(self, timer_id: str, decision: Decision) -> None:
        if decision.outcome in VERDICTS:
            self.verdicts[timer_id] = decision
            if decision.order_id is not None and decision.campaign is not None:
                self.through.add((decision.order_id, decision.campaign))
        elif decision.outcome == "deferred":
            self.deferrals[timer_id] = decision
        else:
            self.cancelled[timer_id] = decision
            if decision.order_id is not None and decision.campaign is not None and decision.reason in NEVER_ASKED:
                self.never_asked.add((decision.order_id, decision.campaign))
