"""Cases as shown by the API and the inbox: a page of a list, and one case with its context."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.case import MAX_NAME, Case, CaseContext, Entry, existing
from services.alerter.domain.case_list import CaseFilter, CaseRow, Cursor
from services.alerter.domain.orders import Order
from services.alerter.domain.routing import Routing
from services.alerter.domain.surveys import Survey
from services.alerter.queries import case_context
from services.alerter.repository import case_history, cases, orders, surveys
from shared.digests import CustomerDigests
from shared.guests import Guests
from shared.persistence.page import Page

_MAX_SHOWN = 10
"""Maximum orders, surveys and other cases shown of a customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDetail:
    """A case with its context; the newest orders, surveys and other cases first.

    ``survey`` is the one that was answered, None when the answer has none or it is unknown.
    """

    case: Case
    context: CaseContext
    history: list[Entry]
    survey: Survey | None
    orders: list[Order]
    surveys: list[Survey]
    other_cases: list[Case]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCount:
    """How many cases wait in a queue; ``or_more`` when counting stopped there."""

    name: str
    title: str
    waiting: int
    or_more: bool


class NoSuchQueue(LookupError):
    """No rule names the queue, and no case is in it."""

    def __init__(self, queue: str, routing: Routing) -> None:
        super().__init__(f"{queue[:MAX_NAME]!r} is no queue; queues are {', '.join(routing.queues)}")


async def check_queue(connection: AsyncConnection, routing: Routing, queue: str) -> None:
    """Raises NoSuchQueue for a misspelt one. Cases may still be in a queue that the rules no longer have."""
    if queue and queue not in routing.queues and not await cases.any_in_queue(connection, queue):
        raise NoSuchQueue(queue, routing)


async def queue_counts(connection: AsyncConnection, routing: Routing) -> list[QueueCount]:
    """Of every queue, in the order of the routing rules."""
    counts = await cases.count_waiting(connection, list(routing.queues))
    return [
        QueueCount(name=name, title=title, waiting=counts[name], or_more=counts[name] >= cases.MAX_COUNTED)
        for name, title in routing.queues.items()
    ]


async def page(
    connection: AsyncConnection,
    digests: CustomerDigests,
    guests: Guests,
    case_filter: CaseFilter,
    *,
    after: Cursor | None,
    limit: int,
) -> Page[CaseRow]:
    """Up to ``limit`` cases: waiting ones by deadline, then closed ones, the last closed first."""
    found = await cases.page(connection, case_filter, after=after, limit=limit)
    contexts = await case_context.read(connection, digests, guests, found.entries)
    return found.map(lambda case: CaseRow(case, contexts[case.case_id]))


async def detail(connection: AsyncConnection, digests: CustomerDigests, guests: Guests, case_id: str) -> CaseDetail:
    """Raises NoSuchCase."""
    case = existing((await cases.read(connection, [case_id])).get(case_id))
    context = (await case_context.read(connection, digests, guests, [case]))[case_id]
    send_id = None if case.answer is None else case.answer.send_id
    key = context.customer_key
    return CaseDetail(
        case=case,
        context=context,
        history=await case_history.read(connection, case_id),
        survey=None if send_id is None else await surveys.read(connection, send_id),
        orders=[] if key is None else await orders.of_customer(connection, key, limit=_MAX_SHOWN),
        surveys=[] if key is None else await surveys.of_customer(connection, key, limit=_MAX_SHOWN),
        other_cases=(
            [] if key is None else await cases.of_customer(connection, key, limit=_MAX_SHOWN, other_than=case_id)
        ),
    )
