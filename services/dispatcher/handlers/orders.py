"""What each topic's batch does."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions.orders import take_in_orders
from services.dispatcher.courier.repository import deliveries
from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import Decision, event_decision_id
from services.dispatcher.domain.timers import Effect, Timer
from services.dispatcher.repository import campaigns, customers, decisions, orders, sends, timers
from services.dispatcher.settings import DispatcherSettings
from shared.clock import Clock
from shared.contracts import identity, preferences, requests
from shared.contracts.answers import Answer
from shared.contracts.cloudevents import Message
from shared.contracts.preferences import Preference
from shared.contracts.requests import SurveyRequested
from shared.last_write_wins import latest
from shared.messaging.handler import Handler


class Handlers:
    """The dispatcher's handlers, with the clock and the settings they decide by."""

    def __init__(self, settings: DispatcherSettings, clock: Clock) -> None:
        self._segmentation = settings.segmentation
        self._clock = clock

    def by_topic(self) -> Mapping[str, Handler]:
        return {
            "orders": self.orders,
            "customers.preferences": self.preferences,
            "surveys.requests": self.requests,
            "surveys.answers": self.answers,
        }

    async def orders(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Facts, timers and one decision an event."""
        in_force = await campaigns.all_of_them(connection)
        definitions = [stored.campaign for stored in in_force.values()]
        await take_in_orders(connection, messages, definitions, self._segmentation, self._clock.now())

    async def preferences(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Keeps each customer's newest state of every channel, and forgets who was erased."""
        told: dict[str, Preference] = {}
        erased: dict[str, datetime] = {}
        for message in messages:
            body = message.body
            assert isinstance(body, Preference)
            if body.customer_id not in told or body.revision > told[body.customer_id].revision:
                told[body.customer_id] = body
            if message.type == preferences.ERASED:
                at = erased.get(body.customer_id, body.occurred_at)
                erased[body.customer_id] = max(at, body.occurred_at)
        # Orders are locked before customers, here as everywhere.
        orders_of_erased = await orders.lock_of_customers(connection, sorted(erased)) if erased else []
        known = await customers.lock(connection, told)
        changed: dict[str, Customer] = {}
        for customer_id, preference in told.items():
            customer = known[customer_id]
            if preference.revision > customer.preference_revision:
                customer = replace(
                    customer,
                    preference_revision=preference.revision,
                    channels={entry.channel: entry for entry in preference.channels},
                )
            if customer_id in erased:
                customer = customer_rules.erase(customer, erased[customer_id])
            if customer != known[customer_id]:
                changed[customer_id] = customer
        if changed:
            await customers.write(connection, list(changed.values()))
        newly_erased = {name: changed[name] for name in erased if name in changed}
        forgotten = [
            order_rules.without_attributes(order)
            for order in orders_of_erased
            if (owner := newly_erased.get(order.customer_id)) is not None and owner.was_erased_by(order.first_event_at)
        ]
        if forgotten:
            await orders.write(connection, forgotten)
        if newly_erased:
            # The courier finds that there is nobody left to write to, and empties what it holds of them.
            await deliveries.bring_forward(connection, sorted(newly_erased))
            await self._cancel_timers(connection, newly_erased, {order.order_id for order in forgotten})

    async def _cancel_timers(
        self, connection: AsyncConnection, erased: Mapping[str, Customer], forgotten: Set[str]
    ) -> None:
        """Cancels all timers of the erased, but those about orders they placed after the erasure."""
        now = self._clock.now()
        cancelled = [
            timer
            for timer in await timers.all_of_customers(connection, sorted(erased))
            if timer.order_id is None or timer.order_id in forgotten
        ]
        await timers.remove(connection, [timer.timer_id for timer in cancelled])
        await decisions.put(
            connection,
            [
                Decision(
                    decision_id=identity.event_id("decision.erased", timer.timer_id, now.isoformat()),
                    customer_id=timer.customer_id,
                    decided_at=now,
                    outcome="timer_cancelled",
                    reason="erased",
                    order_id=timer.order_id,
                    timer_id=timer.timer_id,
                    campaign=timer.campaign,
                )
                for timer in cancelled
            ],
        )

    async def requests(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """A timer for each survey somebody asked for; whether it is sent is decided when it comes due."""
        now = self._clock.now()
        in_force = await campaigns.all_of_them(connection)
        told: dict[str, tuple[Message, SurveyRequested]] = {}
        for message in messages:
            assert isinstance(message.body, SurveyRequested)
            told.setdefault(event_decision_id(message.source, message.event_id), (message, message.body))
        await customers.lock(connection, {body.customer_id for _, body in told.values()})
        known = await decisions.known(connection, list(told))
        asked = await sends.of_timers(connection, [_requested_timer_id(body) for _, body in told.values()])
        wanted: dict[str, Timer] = {}
        taken: list[Decision] = []
        for decision_id, (message, body) in told.items():
            if decision_id in known:
                continue
            stored = in_force.get(body.campaign)
            if stored is None:
                effect = Effect(body.campaign, "none", "unknown_campaign")
            elif not stored.campaign.active:
                effect = Effect(body.campaign, "none", "campaign_inactive")
            elif _requested_timer_id(body) in asked:
                effect = Effect(body.campaign, "none", "already_requested")
            else:
                effect = Effect(body.campaign, "set", "requested", body.not_before)
                timer = _requested_timer(body, message.traceparent)
                wanted[timer.timer_id] = timer
            taken.append(
                Decision(
                    decision_id=decision_id,
                    customer_id=body.customer_id,
                    decided_at=now,
                    outcome="timer_set" if effect.change == "set" else "no_timer",
                    reason=effect.reason,
                    order_id=body.order_id,
                    event_type=requests.REQUESTED,
                    source=message.source,
                    event_id=message.event_id,
                    occurred_at=body.requested_at,
                    campaign=body.campaign,
                    effects=[effect],
                )
            )
        await timers.put(connection, list(wanted.values()))
        await decisions.put(connection, taken)

    async def answers(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Remembers when each customer last answered. An erased answer names nobody."""
        answered: dict[str, datetime] = {}
        for message in messages:
            body = message.body
            if isinstance(body, Answer) and body.customer_id is not None:
                answered[body.customer_id] = max(answered.get(body.customer_id, body.answered_at), body.answered_at)
        if not answered:
            return
        known = await customers.lock(connection, answered)
        changed = [
            replace(known[name], last_answered_at=latest(known[name].last_answered_at, at))
            for name, at in answered.items()
            if not known[name].was_erased_by(at)
        ]
        await customers.write(connection, changed)


def _requested_timer_id(body: SurveyRequested) -> str:
    return identity.event_id("timer.requested", body.request_id)


def _requested_timer(body: SurveyRequested, traceparent: str | None) -> Timer:
    return Timer(
        timer_id=_requested_timer_id(body),
        campaign=body.campaign,
        customer_id=body.customer_id,
        order_id=body.order_id,
        cause="request",
        occurrence=0,
        milestone_at=body.not_before,
        due_at=body.not_before,
        traceparent=traceparent,
    )
