"""Decides on the due surveys of locked customers: each is sent, deferred or skipped."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.campaigns import StoredCampaign
from services.dispatcher.domain.decisions import of_verdict
from services.dispatcher.domain.policy.engine import Policy
from services.dispatcher.domain.policy.situation import Situation
from services.dispatcher.domain.policy.verdict import Verdict
from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.timers import Recurrence, Timer, next_timer
from services.dispatcher.queries import situations
from services.dispatcher.repository import campaigns, decisions, sends, timers
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import identity
from shared.contracts.sends import Recipient, SurveySent, event
from shared.locales import resolve
from shared.runtime import Runtime

_PUT_OFF_FOR = timedelta(days=1)


async def send_due(
    connection: AsyncConnection, runtime: Runtime[DispatcherSettings], customer_ids: Sequence[str], now: datetime
) -> list[Verdict]:
    """Decides on everything due ``now`` for these locked customers, writes it, and returns the verdicts."""
    settings = runtime.settings
    current = await campaigns.all_of_them(connection)
    policy = Policy(
        {name: stored.campaign for name, stored in current.items()}, settings.quiet_period, settings.segmentation
    )
    known = await situations.read(
        connection,
        customer_ids,
        now,
        digests=runtime.digests,
        look_ahead=policy.longest_look_ahead(),
        look_back=policy.longest_quiet_period(),
    )
    verdicts = [verdict for situation in known.values() for verdict in policy.decide(situation, now)]
    sent = [verdict for verdict in verdicts if verdict.outcome is Outcome.SENT]
    surveys = [
        (
            verdict.timer,
            _survey(runtime, verdict, known[verdict.timer.customer_id], current[verdict.timer.campaign], now),
        )
        for verdict in sent
    ]
    await timers.remove(connection, [v.timer.timer_id for v in verdicts if v.outcome is not Outcome.DEFERRED])
    await timers.put(connection, [_deferred(v) for v in verdicts if v.outcome is Outcome.DEFERRED])
    await _recur(connection, verdicts, policy, known, now)
    await sends.put(connection, [(timer.timer_id, survey) for timer, survey in surveys])
    await decisions.put(connection, [of_verdict(verdict, now) for verdict in verdicts])
    await runtime.outbox.put(connection, [event(survey, traceparent=timer.traceparent) for timer, survey in surveys])
    return verdicts


async def put_off(connection: AsyncConnection, customer_id: str, now: datetime) -> list[Verdict]:
    """Puts off what is due for a locked customer about whom nothing can be decided because of an error.

    It is tried again a day later, as long as the survey makes sense; then it is skipped.
    """
    current = await campaigns.all_of_them(connection)
    verdicts: list[Verdict] = []
    for timer in await timers.of_customers(connection, [customer_id], now):
        until = now + _PUT_OFF_FOR
        stored = current.get(timer.campaign)
        expired = stored is None or until > timer.due_at + stored.campaign.valid_for
        verdicts.append(
            Verdict(timer, Outcome.SKIPPED if expired else Outcome.DEFERRED, Reason.FAULT, None if expired else until)
        )
    await timers.remove(connection, [v.timer.timer_id for v in verdicts if v.outcome is Outcome.SKIPPED])
    await timers.put(connection, [_deferred(v) for v in verdicts if v.outcome is Outcome.DEFERRED])
    await decisions.put(connection, [of_verdict(verdict, now) for verdict in verdicts])
    return verdicts


async def _recur(
    connection: AsyncConnection,
    verdicts: Sequence[Verdict],
    policy: Policy,
    known: Mapping[str, Situation],
    now: datetime,
) -> None:
    """Sets the next timer of each recurring campaign that came due, as long as the customer still orders."""
    fired: dict[tuple[str, str], Recurrence] = {}
    following: list[Timer] = []
    for verdict in verdicts:
        timer = verdict.timer
        if timer.cause != "recurrence" or verdict.outcome is Outcome.DEFERRED:
            continue
        last = fired[timer.campaign, timer.customer_id] = Recurrence(timer.occurrence, now)
        campaign = policy.campaigns.get(timer.campaign)
        if campaign is None:
            continue
        situation = known[timer.customer_id]
        next_one = next_timer(campaign, situation.customer, last, last_ordered_at=situation.last_ordered_at, now=now)
        if next_one is not None:
            following.append(next_one)
    await timers.note_fired(connection, fired)
    await timers.put(connection, following)


def _survey(
    runtime: Runtime[DispatcherSettings], verdict: Verdict, situation: Situation, stored: StoredCampaign, now: datetime
) -> SurveySent:
    timer, customer = verdict.timer, situation.customer
    order = situation.order_of(timer)
    send_id = identity.send_id(timer.timer_id)
    return SurveySent(
        send_id=send_id,
        campaign=timer.campaign,
        campaign_version=stored.version,
        channel=stored.campaign.channel,
        locale=resolve(customer.detail("locale"), default=stored.campaign.default_locale),
        customer_id=timer.customer_id,
        recipient=Recipient(
            address=customer.detail("email") or "",
            name=customer.detail("name"),
            timezone=customer.detail("timezone"),
        ),
        order_id=timer.order_id,
        product=None if order is None else order.product,
        segments={**(verdict.segments or {})},
        answer_url=runtime.links.answer_url(send_id),
        unsubscribe_url=runtime.links.unsubscribe_url(send_id),
        due_at=timer.due_at,
        sent_at=now,
        expires_at=now + timedelta(days=stored.campaign.answer_within_days),
        order_began_at=None if order is None else order.first_event_at,
    )


def _deferred(verdict: Verdict) -> Timer:
    assert verdict.until is not None
    return replace(verdict.timer, check_at=verdict.until)
