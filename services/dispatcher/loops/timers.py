"""The loop that takes timers when they come due: decides under the customers' locks, and sends in the same breath."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import of_verdict
from services.dispatcher.domain.policy.policy import Policy, Situation, Verdict
from services.dispatcher.domain.timers import Timer, ordered_within, plan_recurrence, recurring_timer
from services.dispatcher.repository import campaigns, customers, decisions, orders, sends, timers
from services.dispatcher.repository.campaigns import StoredCampaign
from services.dispatcher.repository.timers import Recurrence
from services.dispatcher.settings import DispatcherSettings
from shared import metrics
from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.sends import SENT, Recipient, SurveySent
from shared.locales import resolve
from shared.runtime import Runtime

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_ROUNDS_BETWEEN_SWEEPS = 50


class TimerLoop:
    """One process's share of the due timers; any number of processes may run it.

    While there is a backlog each round starts where the one before ended, so as not to walk over what that one left
    dead in the index; once it is worked off, and at times in between, the walk starts at the beginning again, where
    late events may have set timers.
    """

    def __init__(self, runtime: Runtime[DispatcherSettings]) -> None:
        self._runtime = runtime
        self._settings = runtime.settings
        self._watermark = _BEGINNING
        self._rounds = 0

    async def run_once(self) -> bool:
        """Decides one batch. True when more may be due."""
        now = self._runtime.clock.now()
        if self._watermark == _BEGINNING and not await self._anything_due(now):
            metrics.timer_lateness_seconds.set(0)
            return False
        verdicts: Sequence[Verdict] = ()
        async with self._runtime.engine.begin() as connection:
            claimed = await timers.claim(connection, now, self._watermark, self._settings.timer_batch_size)
            if claimed.customer_ids:
                verdicts = await self._decide(connection, claimed.customer_ids, now)
        self._report(verdicts, now)
        self._rounds += 1
        to_the_beginning = not claimed.full or self._rounds % _ROUNDS_BETWEEN_SWEEPS == 0
        self._watermark = _BEGINNING if to_the_beginning or claimed.reached is None else claimed.reached
        return claimed.full

    async def _anything_due(self, now: datetime) -> bool:
        async with self._runtime.autocommit() as connection:
            first = await timers.first_due(connection)
        return first is not None and first <= now

    async def _decide(self, connection: AsyncConnection, customer_ids: Sequence[str], now: datetime) -> list[Verdict]:
        """Decides all that these locked customers have due, and writes it."""
        in_force = await campaigns.all_of_them(connection)
        policy = Policy(
            {name: stored.campaign for name, stored in in_force.items()},
            self._settings.quiet_period,
            self._settings.segmentation,
        )
        situations = await self._situations(connection, customer_ids, policy, now)
        verdicts = [verdict for situation in situations.values() for verdict in policy.decide(situation, now)]
        surveys = [
            self._survey(verdict, situations[verdict.timer.customer_id], in_force[verdict.timer.campaign], now)
            for verdict in verdicts
            if verdict.outcome == "sent"
        ]
        await timers.remove(connection, [v.timer.timer_id for v in verdicts if v.outcome != "deferred"])
        await timers.put(connection, [_deferred(verdict) for verdict in verdicts if verdict.outcome == "deferred"])
        await self._recur(connection, verdicts, policy, situations, now)
        await sends.put(connection, surveys)
        await decisions.put(connection, [of_verdict(verdict, now) for verdict in verdicts])
        traces = {verdict.timer.timer_id: verdict.timer.traceparent for verdict in verdicts}
        await self._runtime.outbox.put(
            connection, [_survey_event(survey, traces[timer_id]) for timer_id, survey in surveys]
        )
        return verdicts

    def _report(self, verdicts: Sequence[Verdict], now: datetime) -> None:
        """After the commit: the relay has something to publish, and the metrics to tell."""
        late = max((now - verdict.timer.due_at for verdict in verdicts), default=timedelta(0))
        metrics.timer_lateness_seconds.set(late.total_seconds())
        for outcome, count in Counter(verdict.outcome for verdict in verdicts).items():
            metrics.timer_decisions.labels(outcome).inc(count)
        if any(verdict.outcome == "sent" for verdict in verdicts):
            self._runtime.relay.wake()

    async def _situations(
        self, connection: AsyncConnection, customer_ids: Sequence[str], policy: Policy, now: datetime
    ) -> Mapping[str, Situation]:
        """All that is asked of each of these customers. Read by statements of their own, after the lock was taken."""
        ahead = await timers.of_customers(connection, customer_ids, now + policy.longest_look_ahead())
        of_customer: dict[str, list[Timer]] = {}
        for timer in ahead:
            of_customer.setdefault(timer.customer_id, []).append(timer)
        people = await customers.read(connection, customer_ids)
        known_orders = await orders.read(connection, {timer.order_id for timer in ahead if timer.order_id is not None})
        history = await sends.history(connection, customer_ids, now - policy.longest_quiet_period())
        recurring_due = {timer.customer_id for timer in ahead if timer.cause == "recurrence" and timer.due_at <= now}
        last_ordered = await orders.last_ordered(connection, sorted(recurring_due)) if recurring_due else {}
        return {
            customer_id: Situation(
                customer=people.get(customer_id, Customer(customer_id)),
                due=[timer for timer in its_timers if timer.due_at <= now],
                upcoming=[timer for timer in its_timers if timer.due_at > now],
                orders=known_orders,
                history=history.get(customer_id, ()),
                last_ordered_at=last_ordered.get(customer_id),
            )
            for customer_id, its_timers in of_customer.items()
        }

    def _survey(
        self, verdict: Verdict, situation: Situation, stored: StoredCampaign, now: datetime
    ) -> tuple[str, SurveySent]:
        """The (timer id, survey) of a verdict "sent"."""
        timer, customer = verdict.timer, situation.customer
        order = None if timer.order_id is None else situation.orders.get(timer.order_id)
        send_id = identity.send_id(timer.timer_id)
        return timer.timer_id, SurveySent(
            send_id=send_id,
            campaign=timer.campaign,
            campaign_version=stored.version,
            channel=stored.campaign.channel,
            locale=resolve(customer.detail("locale"), stored.campaign.default_locale),
            customer_id=timer.customer_id,
            recipient=Recipient(
                address=customer.detail("email") or "",
                name=customer.detail("name"),
                timezone=customer.detail("timezone"),
            ),
            order_id=timer.order_id,
            product=None if order is None else order.product,
            segments={**(verdict.segments or {})},
            answer_url=self._runtime.links.answer_url(send_id),
            unsubscribe_url=self._runtime.links.unsubscribe_url(send_id),
            due_at=timer.milestone_at,
            sent_at=now,
            expires_at=now + timedelta(days=stored.campaign.answer_within_days),
        )

    async def _recur(
        self,
        connection: AsyncConnection,
        verdicts: Sequence[Verdict],
        policy: Policy,
        situations: Mapping[str, Situation],
        now: datetime,
    ) -> None:
        """Sets the next timer of each recurring campaign that came due, while the customer still orders."""
        fired: dict[tuple[str, str], Recurrence] = {}
        following: list[Timer] = []
        for verdict in verdicts:
            timer = verdict.timer
            if timer.cause != "recurrence" or verdict.outcome == "deferred":
                continue
            fired[timer.campaign, timer.customer_id] = Recurrence(timer.occurrence, now)
            campaign = policy.campaigns.get(timer.campaign)
            situation = situations[timer.customer_id]
            if campaign is not None and ordered_within(campaign, situation.last_ordered_at, now):
                due_at = plan_recurrence(campaign, situation.customer, now, now).due_at
                if due_at is not None:
                    following.append(recurring_timer(campaign, timer.customer_id, timer.occurrence + 1, due_at))
        await timers.note_fired(connection, fired)
        await timers.put(connection, following)


def _deferred(verdict: Verdict) -> Timer:
    assert verdict.until is not None
    return replace(verdict.timer, due_at=verdict.until)


def _survey_event(survey: SurveySent, traceparent: str | None) -> Event:
    return Event(
        topic="surveys.sends",
        key=survey.customer_id,
        event_id=identity.event_id(SENT, survey.send_id),
        type=SENT,
        time=survey.sent_at,
        body=survey,
        traceparent=traceparent,
    )
