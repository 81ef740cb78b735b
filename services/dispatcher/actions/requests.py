"""Sets a timer for each requested survey; whether it is sent is decided when it is due, like any other."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.decisions import Decision, event_decision_id, of_request
from services.dispatcher.domain.event_contents import content_digest, used_again
from services.dispatcher.domain.timers import Timer, request_effect, requested_timer, requested_timer_id
from services.dispatcher.repository import campaigns, customers, decisions, sends, timers
from shared.contracts.cloudevents import Message
from shared.contracts.requests import SurveyRequested
from shared.messaging.handler import Rejected


async def ingest(
    connection: AsyncConnection, received: Sequence[tuple[Message, SurveyRequested]], now: datetime
) -> None:
    """Writes one decision per request. A duplicate request is a no-op.

    Raises Rejected for requests whose id is that of an earlier event that said something else.
    """
    current = await campaigns.all_of_them(connection)
    requested: dict[str, tuple[Message, SurveyRequested]] = {}
    told: list[tuple[Message, str, str]] = []
    for message, request in received:
        name = event_decision_id(source=message.source, event_id=message.event_id)
        requested.setdefault(name, (message, request))
        told.append((message, name, content_digest(message.type, request)))
    digests = {name: digest for _, name, digest in reversed(told)}
    await customers.lock(connection, {request.customer_id for _, request in requested.values()})
    known = await decisions.known(connection, list(requested))
    if again := used_again(told, known):
        raise Rejected(again)
    sent = await sends.of_timers(connection, [requested_timer_id(request) for _, request in requested.values()])
    wanted: dict[str, Timer] = {}
    taken: list[Decision] = []
    for decision_id, (message, request) in requested.items():
        if decision_id in known:
            continue
        stored = current.get(request.campaign)
        timer = requested_timer(request, message.traceparent)
        effect = request_effect(
            request, None if stored is None else stored.campaign, already_sent=timer.timer_id in sent
        )
        if effect.change == "set":
            wanted[timer.timer_id] = timer
        taken.append(
            of_request(
                request,
                source=message.source,
                event_id=message.event_id,
                content=digests[decision_id],
                effect=effect,
                now=now,
            )
        )
    await timers.put(connection, list(wanted.values()))
    await decisions.put(connection, taken)
