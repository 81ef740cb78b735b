"""The case API: lists, one case with its history, what staff do with it, and the routing rules."""

import base64
import binascii
from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.alerter.actions.cases import NoSuchCase, Staff, Story, UnknownRootCause
from services.alerter.actions.routing import InForce, RoutingChanged, Rules
from services.alerter.domain import publication
from services.alerter.domain.case import Case, Entry
from services.alerter.domain.routing import MOST_BYTES, Routing, RoutingError
from services.alerter.domain.transitions import CloseReason, ContactWay, Refused, Stale
from services.alerter.repository.cases import Place, Wanted
from shared.contracts import followups
from shared.contracts.types import Comment
from shared.runtime import Runtime
from shared.web.auth import Caller, require
from shared.web.problems import Problem

CaseId = Annotated[str, Path(min_length=1, max_length=100, description="The case's id.")]
Filter = Annotated[str, Query(max_length=200)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
MayRead = Annotated[Caller, Depends(require("cases:read"))]
MayWrite = Annotated[Caller, Depends(require("cases:write"))]

T = TypeVar("T")

STATUSES = ("waiting", "open", "assigned", "contacted", "escalated", "closed", "any")


class _Body(BaseModel):
    """``sequence`` is the case's as it was seen; when it has another by now, the answer is 409 and nothing changes."""

    model_config = ConfigDict(extra="forbid")
    sequence: Annotated[int, Field(ge=1)]


class AssignBody(_Body):
    owner: Name


class ContactBody(_Body):
    way: ContactWay = "email"
    text: Comment = ""


class NoteBody(_Body):
    text: Comment


class CloseBody(_Body):
    reason: CloseReason
    root_cause: Name | None = None
    text: Comment = ""


class ReopenBody(_Body):
    text: Comment = ""


class CaseList(BaseModel):
    """``next_cursor`` is null at the end of the list."""

    cases: list[followups.Case]
    next_cursor: str | None


class HistoryEntry(BaseModel):
    """``actor`` is null for what Hearback did itself."""

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


class EarlierCase(BaseModel):
    case_id: str
    queue: str | None
    status: str
    score: int | None
    opened_at: datetime


class CustomerHistory(BaseModel):
    """The customer's ten newest of each, the newest first."""

    orders: list[KnownOrder] = []
    surveys: list[KnownSurvey] = []
    cases: list[EarlierCase] = []


class CaseDetail(BaseModel):
    case: followups.Case
    history: list[HistoryEntry]
    customer_history: CustomerHistory


class RoutingInForce(BaseModel):
    version: int
    routing: Routing


def add_routes(app: FastAPI, runtime: Runtime[Any], staff: Staff, rules: Rules) -> None:
    app.include_router(_reading(staff))
    app.include_router(_changing(staff))
    app.include_router(_routing(runtime, rules))


def _reading(staff: Staff) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.get("/cases")
    async def list_cases(
        _caller: MayRead,
        queue: Filter = "",
        status: Filter = "waiting",
        owner: Annotated[str, Query(max_length=100, description="A name, or - for nobody.")] = "",
        search: Filter = "",
        cursor: Annotated[str, Query(max_length=300)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> CaseList:
        """Cases by deadline, the next first; closed ones by when they were closed, the last first."""
        if status not in STATUSES:
            raise Problem(422, "No such status", f"status is {status[:40]!r}; it is one of {', '.join(STATUSES)}")
        wanted = Wanted(queue, "" if status == "any" else status, owner, search)
        page = await staff.page(wanted, read_cursor(cursor), limit)
        listed = [publication.whole(case, page.around[case.case_id]) for case in page.cases]
        return CaseList(cases=listed, next_cursor=None if page.after is None else write_cursor(page.after))

    @router.get("/cases/{case_id}")
    async def get_case(_caller: MayRead, case_id: CaseId) -> CaseDetail:
        """One case, what happened to it, and what else is known of the customer."""
        return _detail(await _or_problem(staff.story(case_id)))

    return router


def _changing(staff: Staff) -> APIRouter:
    router = APIRouter(prefix="/v1")

    async def _changed(action: Awaitable[Case]) -> followups.Case:
        case = await _or_problem(action)
        return (await staff.story(case.case_id)).published

    @router.post("/cases/{case_id}/assign")
    async def assign(caller: MayWrite, case_id: CaseId, body: AssignBody) -> followups.Case:
        return await _changed(staff.assign(case_id, body.sequence, caller.name, body.owner))

    @router.post("/cases/{case_id}/contact")
    async def contact(caller: MayWrite, case_id: CaseId, body: ContactBody) -> followups.Case:
        return await _changed(staff.contact(case_id, body.sequence, caller.name, body.way, body.text))

    @router.post("/cases/{case_id}/note")
    async def note(caller: MayWrite, case_id: CaseId, body: NoteBody) -> followups.Case:
        return await _changed(staff.note(case_id, body.sequence, caller.name, body.text))

    @router.post("/cases/{case_id}/close")
    async def close(caller: MayWrite, case_id: CaseId, body: CloseBody) -> followups.Case:
        return await _changed(staff.close(case_id, body.sequence, caller.name, body.reason, body.root_cause, body.text))

    @router.post("/cases/{case_id}/reopen")
    async def reopen(caller: MayWrite, case_id: CaseId, body: ReopenBody) -> followups.Case:
        return await _changed(staff.reopen(case_id, body.sequence, caller.name, body.text))

    return router


def _routing(runtime: Runtime[Any], rules: Rules) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.get("/routing")
    async def get_routing(_caller: MayRead) -> RoutingInForce:
        """The routing rules in force."""
        async with runtime.read_only() as connection:
            return _in_force(await rules.current(connection))

    @router.put("/routing")
    async def put_routing(
        request: Request,
        caller: MayWrite,
        version: Annotated[int | None, Header(alias="If-Match", description="The version that was read.")] = None,
    ) -> RoutingInForce:
        """Puts the rules in the body, YAML or JSON, in force. They reach answers from now on; cases stay where they
        are. A queue that is new gets its topic."""
        body = await _limited_body(request)
        try:
            return _in_force(await rules.replace(body, version, caller.name))
        except RoutingError as error:
            raise Problem(422, "The routing rules cannot be used", str(error)) from error
        except RoutingChanged as error:
            raise Problem(409, "The routing rules have changed", str(error), version=error.version) from error

    return router


def write_cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.position}:{place.case_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Place | None:
    """The place a cursor stands for, None for none; a 422 problem when it is not one of ours."""
    if not cursor:
        return None
    try:
        written = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        position, _, case_id = written.partition(":")
        number = int(position)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, "The cursor is not ours", "use next_cursor of the page before, unchanged") from error
    if not case_id or "\x00" in case_id or abs(number) >= 2**63:
        raise Problem(422, "The cursor is not ours", "use next_cursor of the page before, unchanged")
    return Place(number, case_id)


async def _limited_body(request: Request) -> str:
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > 4 * MOST_BYTES:
            raise Problem(413, "The body is too large", f"routing rules have at most {MOST_BYTES} characters")
    try:
        return received.decode()
    except UnicodeDecodeError as error:
        raise Problem(422, "The routing rules cannot be used", "the body is not UTF-8") from error


async def _or_problem(action: Awaitable[T]) -> T:
    try:
        return await action
    except NoSuchCase as error:
        raise Problem(404, "No such case", "no case has this id; GET /v1/cases lists them") from error
    except Stale as error:
        raise Problem(409, "The case has changed", str(error)) from error
    except Refused as error:
        raise Problem(409, "The case does not allow this now", str(error)) from error
    except UnknownRootCause as error:
        raise Problem(422, "No such root cause", str(error)) from error


def _detail(story: Story) -> CaseDetail:
    return CaseDetail(
        case=story.published,
        history=[_entry(entry) for entry in story.history],
        customer_history=CustomerHistory(
            orders=[
                KnownOrder(
                    order_id=order.order_id,
                    status=order.status,
                    placed_at=order.happened.get("placed"),
                    delivered_at=order.delivered_at,
                    products=list(order.description.products) if order.description else [],
                )
                for order in story.orders
            ],
            surveys=[
                KnownSurvey(campaign=survey.campaign, channel=survey.channel, sent_at=survey.sent_at)
                for survey in story.surveys
            ],
            cases=[
                EarlierCase(
                    case_id=case.case_id,
                    queue=case.queue,
                    status=case.status,
                    score=None if case.answer is None else case.answer.score,
                    opened_at=case.opened_at,
                )
                for case in story.earlier
            ],
        ),
    )


def _entry(entry: Entry) -> HistoryEntry:
    return HistoryEntry(
        sequence=entry.sequence, at=entry.at, kind=entry.kind, actor=entry.actor, details=dict(entry.details)
    )


def _in_force(in_force: InForce) -> RoutingInForce:
    return RoutingInForce(version=in_force.version, routing=in_force.routing)
