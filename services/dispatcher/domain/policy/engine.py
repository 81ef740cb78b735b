"""Applies the rules to each due survey of a customer.

The caller holds the lock on the customer, so that the situation cannot change while it is being decided on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.policy.rules import RULES
from services.dispatcher.domain.policy.situation import DueSurvey, PastSend, Situation
from services.dispatcher.domain.policy.verdict import Objection, Verdict
from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.segments import Segmentation, taken
from services.dispatcher.domain.timers import Timer


@dataclass(frozen=True, slots=True)
class Policy:
    """The campaigns (by id) and the settings a decision depends on."""

    campaigns: Mapping[str, Campaign]
    quiet_period: timedelta
    segmentation: Segmentation

    def longest_quiet_period(self) -> timedelta:
        return max(
            (campaign.quiet_for(self.quiet_period) for campaign in self.campaigns.values()), default=self.quiet_period
        )

    def longest_look_ahead(self) -> timedelta:
        return max((campaign.look_ahead for campaign in self.campaigns.values()), default=timedelta(0))

    def decide(self, situation: Situation, now: datetime) -> list[Verdict]:
        """A verdict for each due timer, the most important campaign first; a survey sent counts for the next."""
        history = list(situation.history)
        verdicts: list[Verdict] = []
        for timer in sorted(situation.due, key=self._turn):
            verdict = self._decide_one(timer, situation, history, now)
            if verdict.outcome is Outcome.SENT:
                history.append(PastSend(campaign=timer.campaign, order_id=timer.order_id, sent_at=now))
            verdicts.append(verdict)
        return verdicts

    def _turn(self, timer: Timer) -> tuple[int, datetime, str]:
        campaign = self.campaigns.get(timer.campaign)
        return (0 if campaign is None else campaign.priority, timer.due_at, timer.timer_id)

    def _decide_one(self, timer: Timer, situation: Situation, history: Sequence[PastSend], now: datetime) -> Verdict:
        campaign = self.campaigns.get(timer.campaign)
        if campaign is None:
            # Without a definition there is nothing to apply the rules to: treat it as inactive.
            return Verdict(timer, Outcome.SKIPPED, Reason.CAMPAIGN_INACTIVE)
        order = situation.order_of(timer)
        survey = DueSurvey(
            timer=timer,
            campaign=campaign,
            customer=situation.customer,
            order=order,
            segments=taken(self.segmentation, campaign, situation.customer, order, now),
            history=history,
            upcoming=situation.upcoming,
            last_ordered_at=situation.last_ordered_at,
            suppressed=situation.suppressed,
            campaigns=self.campaigns,
            default_quiet_period=self.quiet_period,
            now=now,
        )
        for rule in RULES:
            if (objection := rule.check(survey)) is not None:
                return _overruled(survey, objection)
        return Verdict(timer, Outcome.SENT, Reason.DUE, segments=survey.segments)


def _overruled(survey: DueSurvey, objection: Objection) -> Verdict:
    """Skipped permanently, or deferred, unless the survey would have expired by then."""
    timer, until, because_of = survey.timer, objection.until, objection.because_of
    if until is None:
        return Verdict(timer, Outcome.SKIPPED, objection.reason, because_of=because_of)
    if until > timer.due_at + survey.campaign.valid_for:
        return Verdict(timer, Outcome.SKIPPED, Reason.EXPIRED, until, because_of)
    return Verdict(timer, Outcome.DEFERRED, objection.reason, until, because_of)
