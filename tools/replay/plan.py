"""What happens in which step, planned before a replay begins."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from shared.contracts import identity
from tools.replay.olist import PastAnswer
from tools.replay.oracle import ExpectedSurvey, Steps
from tools.simulation.shop_event import ShopEvent

CAMPAIGN = "after-delivery"


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens in each step, by step number: the events to publish, and each survey's answers in order."""

    steps: Steps
    events: dict[int, list[ShopEvent]]
    answers: dict[int, list[tuple[str, list[PastAnswer]]]]
    active_steps: Sequence[int]
    """The steps in which anything happens, ascending; the others are skipped."""


def make_plan(events: Sequence[ShopEvent], surveys: Sequence[ExpectedSurvey], steps: Steps) -> Plan:
    events_of: defaultdict[int, list[ShopEvent]] = defaultdict(list)
    for event in events:
        events_of[steps.number(event.occurred_at)].append(event)
    answers_of: defaultdict[int, dict[str, list[PastAnswer]]] = defaultdict(dict)
    for survey in surveys:
        send_id = send_id_of(survey)
        for step, answer in survey.answers:
            answers_of[step].setdefault(send_id, []).append(answer)
    active_steps = sorted(events_of.keys() | answers_of.keys() | {survey.step for survey in surveys})
    return Plan(steps, dict(events_of), {step: list(of.items()) for step, of in answers_of.items()}, active_steps)


def send_id_of(survey: ExpectedSurvey) -> str:
    """The id of the survey's send."""
    return identity.send_id(
        identity.timer_id(campaign=CAMPAIGN, customer_id=survey.order.customer_id, order_id=survey.order.order_id)
    )
