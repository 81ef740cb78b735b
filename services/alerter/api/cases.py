"""The case API: lists, one case with its history, and staff actions."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.alerter.actions import cases as actions
from services.alerter.domain import case_events
from services.alerter.domain.case import MAX_NAME, Case, Entry, NoSuchCase
from services.alerter.domain.case_list import MAX_SEARCH, CaseFilter, Cursor, StatusFilter
from services.alerter.domain.orders import Order
from services.alerter.domain.routing import UnknownRootCause
from services.alerter.domain.transitions import CloseReason, ContactWay, Incomplete, Refused, Stale
from services.alerter.queries import cases as queries
from services.alerter.queries import routing
from services.alerter.settings import AlerterSettings
from shared.api_keys import Caller
from shared.contracts import followups
from shared.contracts.types import Identifier, Text
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.forms import storable_text
from shared.web.paging import CursorQuery, read_cursor, write_cursor
from shared.web.parameters import known_parameters
from shared.web.problems import INVALID_REQUEST, Problem, declared

CaseId = Annotated[Identifier, Path(description="The case's id.")]
FilterQuery = Annotated[str, Query(max_length=MAX_SEARCH)]
StaffText = Annotated[Text, AfterValidator(storable_text), Field(description="Line breaks count as one character.")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME)]
MayWrite = Annotated[Caller, Depends(require("cases:write"))]


class _Body(BaseModel):
    """``sequence`` is the case's as seen by the caller; if it has changed since, the response is 409 and nothing
    changes."""

    model_config = ConfigDict(extra="forbid")
    sequence: Annotated[int, Field(ge=1)]


class AssignBody(_Body):
    owner: Name


class ContactBody(_Body):
    way: ContactWay = "email"
    text: StaffText = ""


class NoteBody(_Body):
    text: StaffText


class CloseBody(_Body):
    reason: CloseReason
    root_cause: Name | None = None
    text: StaffText = ""


class ReopenBody(_Body):
    text: StaffText = ""


class CaseList(BaseModel):
    """``next_cursor`` is null at the end of the list."""

    cases: list[followups.Case]
    next_cursor: str | None


class HistoryEntry(BaseModel):
    """``actor`` is null for Hearback's own actions."""

    sequence: int
    at: datetime
    kind: str
    actor: str | None
    details: dict[str, str | int]


class KnownOrder(BaseModel):
    order_id: str
    status: str | None
    placed_at: datetime | None
    delivered_at: datetime | None
    products: list[str]


class KnownSurvey(BaseModel):
    campaign: str
    channel: str
    sent_at: datetime


class OtherCase(BaseModel):
    case_id: str
    queue: str | None
    status: str
    score: int | None
    opened_at: datetime


class CustomerHistory(BaseModel):
    """The customer's latest ten of each, newest first."""

    orders: list[KnownOrder] = []
    surveys: list[KnownSurvey] = []
    cases: list[OtherCase] = []


class CaseWithHistory(BaseModel):
    case: followups.Case
    history: list[HistoryEntry]
    customer_history: CustomerHistory


def routes(runtime: Runtime[AlerterSettings]) -> APIRouter:
    router = APIRouter(prefix="/v1/cases", dependencies=[Depends(known_parameters)], responses=declared(401, 403))

    @router.get("", dependencies=[Depends(require("cases:read"))])
    async def list_cases(
        queue: FilterQuery = "",
        status: Annotated[StatusFilter, Query(description="`waiting` means all but closed.")] = "waiting",
        owner: Annotated[str, Query(max_length=MAX_NAME, description="A name, or `-` for unassigned cases.")] = "",
        search: FilterQuery = "",
        cursor: CursorQuery = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> CaseList:
        """Waiting cases by deadline, the earliest first; closed cases by closing time, the latest first."""
        after = read_cursor(cursor, int, str)
        async with runtime.read_only() as connection:
            try:
                await queries.check_queue(connection, (await routing.current(connection)).routing, queue)
            except queries.NoSuchQueue as error:
                raise Problem(422, INVALID_REQUEST, detail=f"queue: {error}") from error
            page = await queries.page(
                connection,
                runtime.digests,
                runtime.guests,
                CaseFilter(queue=queue, status=status, owner=owner, search=search),
                after=None if after is None else Cursor(*after),
                limit=limit,
            )
        return CaseList(
            cases=[case_events.body(row.case, row.context) for row in page.entries],
            next_cursor=None if page.last is None else write_cursor(*page.last.cursor),
        )

    @router.get("/{case_id}", dependencies=[Depends(require("cases:read"))], responses=declared(404))
    async def get_case(case_id: CaseId) -> CaseWithHistory:
        """One case, its history, and what else is known about the customer."""
        async with runtime.read_only() as connection:
            with _problems():
                return _with_history(await queries.detail(connection, runtime.digests, runtime.guests, case_id))

    @router.post("/{case_id}/assign", responses=declared(404, 409))
    async def assign(caller: MayWrite, case_id: CaseId, body: AssignBody) -> followups.Case:
        """Assigns the case to an owner."""
        with _problems():
            row = await actions.assign(runtime, case_id, sequence=body.sequence, actor=caller.name, owner=body.owner)
        return case_events.body(row.case, row.context)

    @router.post("/{case_id}/contact", responses=declared(404, 409))
    async def contact(caller: MayWrite, case_id: CaseId, body: ContactBody) -> followups.Case:
        """Records that the customer was contacted."""
        with _problems():
            row = await actions.contact(
                runtime, case_id, sequence=body.sequence, actor=caller.name, way=body.way, text=body.text
            )
        return case_events.body(row.case, row.context)

    @router.post("/{case_id}/note", responses=declared(404, 409))
    async def note(caller: MayWrite, case_id: CaseId, body: NoteBody) -> followups.Case:
        """Adds a note."""
        with _problems():
            row = await actions.note(runtime, case_id, sequence=body.sequence, actor=caller.name, text=body.text)
        return case_events.body(row.case, row.context)

    @router.post("/{case_id}/close", responses=declared(404, 409))
    async def close(caller: MayWrite, case_id: CaseId, body: CloseBody) -> followups.Case:
        """Closes the case."""
        with _problems():
            row = await actions.close(
                runtime,
                case_id,
                sequence=body.sequence,
                actor=caller.name,
                reason=body.reason,
                root_cause=body.root_cause,
                text=body.text,
            )
        return case_events.body(row.case, row.context)

    @router.post("/{case_id}/reopen", responses=declared(404, 409))
    async def reopen(caller: MayWrite, case_id: CaseId, body: ReopenBody) -> followups.Case:
        """Reopens a closed case, with a new deadline if its routing rule has one."""
        with _problems():
            row = await actions.reopen(runtime, case_id, sequence=body.sequence, actor=caller.name, text=body.text)
        return case_events.body(row.case, row.context)

    return router


@contextmanager
def _problems() -> Iterator[None]:
    """The problem details for an error in a request about one case."""
    try:
        yield
    except NoSuchCase as error:
        raise Problem(404, "No such case", detail=f"{error}; GET /v1/cases lists them") from error
    except Stale as error:
        raise Problem(409, "The case has changed", detail=str(error)) from error
    except Incomplete as error:
        raise Problem(422, INVALID_REQUEST, detail=str(error)) from error
    except Refused as error:
        raise Problem(409, "The case does not allow this now", detail=str(error)) from error
    except UnknownRootCause as error:
        raise Problem(422, "No such root cause", detail=str(error)) from error


def _with_history(detail: queries.CaseDetail) -> CaseWithHistory:
    return CaseWithHistory(
        case=case_events.body(detail.case, detail.context),
        history=[_entry(entry) for entry in detail.history],
        customer_history=CustomerHistory(
            orders=[_order(order) for order in detail.orders],
            surveys=[
                KnownSurvey(campaign=survey.campaign, channel=survey.channel, sent_at=survey.sent_at)
                for survey in detail.surveys
            ],
            cases=[_other_case(case) for case in detail.other_cases],
        ),
    )


def _entry(entry: Entry) -> HistoryEntry:
    return HistoryEntry(
        sequence=entry.sequence, at=entry.at, kind=entry.kind, actor=entry.actor, details=dict(entry.details)
    )


def _order(order: Order) -> KnownOrder:
    return KnownOrder(
        order_id=order.order_id,
        status=order.status,
        placed_at=order.placed_at,
        delivered_at=order.delivered_at,
        products=list(order.description.products) if order.description else [],
    )


def _other_case(case: Case) -> OtherCase:
    return OtherCase(
        case_id=case.case_id,
        queue=case.queue,
        status=case.status,
        score=None if case.answer is None else case.answer.score,
        opened_at=case.opened_at,
    )
