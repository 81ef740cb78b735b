"""The forms of a case. If an action fails, the reason is shown above the forms, and the input is kept."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import AfterValidator
from starlette.responses import Response

from services.alerter.actions import cases as actions
from services.alerter.domain.case import MAX_NAME, NoSuchCase
from services.alerter.domain.routing import UnknownRootCause
from services.alerter.domain.transitions import CLOSE_REASONS, CONTACT_WAYS, Incomplete, Refused, Stale
from services.alerter.settings import AlerterSettings
from services.alerter.web.filters import Filters, GivenFilters
from services.alerter.web.inbox_page import FormInput, InboxPage
from shared.api_keys import Caller
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import staff
from shared.web.forms import storable_text
from shared.web.problems import Problem

StaffMayWrite = Annotated[Caller, Depends(staff("cases:write"))]

_STALE = (
    "Someone else changed this case while you were viewing it; its current state is below. "
    "What you typed is still there: send it again if it still applies."
)
_FAILURES = (NoSuchCase, Refused, UnknownRootCause)


SequenceField = Annotated[int, Form(ge=1)]
# Without a limit here: the domain's says how long the text is, on a page that still has it.
TextField = Annotated[str, Form(), AfterValidator(storable_text)]
NameField = Annotated[str, Form(max_length=MAX_NAME), AfterValidator(storable_text)]
ChoiceField = Annotated[str, Form(max_length=40)]

_Choice = TypeVar("_Choice", bound=str)


def routes(runtime: Runtime[AlerterSettings], page: InboxPage) -> APIRouter:
    router = APIRouter(prefix="/cases/{case_id}", include_in_schema=False)

    @router.post("/assign")
    async def assign(
        request: Request,
        caller: StaffMayWrite,
        filters: GivenFilters,
        case_id: Identifier,
        sequence: SequenceField,
        owner: NameField = "",
    ) -> Response:
        """Without an owner, the case is assigned to the user who sent the form."""
        form_input = FormInput(action="assign", sequence=sequence, owner=owner)
        try:
            await actions.assign(
                runtime, case_id, sequence=sequence, actor=caller.name, owner=owner.strip() or caller.name
            )
        except _FAILURES as error:
            return await _failed(page, request, caller, filters, case_id, error, form_input)
        return _back_to(case_id, filters)

    @router.post("/contact")
    async def contact(
        request: Request,
        caller: StaffMayWrite,
        filters: GivenFilters,
        case_id: Identifier,
        sequence: SequenceField,
        way: ChoiceField = "email",
        text: TextField = "",
    ) -> Response:
        form_input = FormInput(action="contact", sequence=sequence, way=way, text=text)
        try:
            chosen = _choice(way, CONTACT_WAYS)
            await actions.contact(runtime, case_id, sequence=sequence, actor=caller.name, way=chosen, text=text)
        except _FAILURES as error:
            return await _failed(page, request, caller, filters, case_id, error, form_input)
        return _back_to(case_id, filters)

    @router.post("/note")
    async def note(
        request: Request,
        caller: StaffMayWrite,
        filters: GivenFilters,
        case_id: Identifier,
        sequence: SequenceField,
        text: TextField = "",
    ) -> Response:
        form_input = FormInput(action="note", sequence=sequence, text=text)
        try:
            await actions.note(runtime, case_id, sequence=sequence, actor=caller.name, text=text)
        except _FAILURES as error:
            return await _failed(page, request, caller, filters, case_id, error, form_input)
        return _back_to(case_id, filters)

    @router.post("/close")
    async def close(
        request: Request,
        caller: StaffMayWrite,
        filters: GivenFilters,
        case_id: Identifier,
        sequence: SequenceField,
        reason: ChoiceField = "",
        root_cause: NameField = "",
        text: TextField = "",
    ) -> Response:
        form_input = FormInput(action="close", sequence=sequence, reason=reason, root_cause=root_cause, text=text)
        try:
            await actions.close(
                runtime,
                case_id,
                sequence=sequence,
                actor=caller.name,
                reason=_choice(reason, CLOSE_REASONS),
                root_cause=root_cause or None,
                text=text,
            )
        except _FAILURES as error:
            return await _failed(page, request, caller, filters, case_id, error, form_input)
        return _back_to(case_id, filters)

    @router.post("/reopen")
    async def reopen(
        request: Request,
        caller: StaffMayWrite,
        filters: GivenFilters,
        case_id: Identifier,
        sequence: SequenceField,
        text: TextField = "",
    ) -> Response:
        form_input = FormInput(action="reopen", sequence=sequence, text=text)
        try:
            await actions.reopen(runtime, case_id, sequence=sequence, actor=caller.name, text=text)
        except _FAILURES as error:
            return await _failed(page, request, caller, filters, case_id, error, form_input)
        return _back_to(case_id, filters)

    return router


def _back_to(case_id: str, filters: Filters) -> Response:
    return RedirectResponse(filters.address(f"/cases/{case_id}"), 303)


async def _failed(
    page: InboxPage,
    request: Request,
    caller: Caller,
    filters: Filters,
    case_id: str,
    error: Exception,
    form_input: FormInput,
) -> HTMLResponse:
    """The case's current state, with the reason and the input. A 404 problem when there is no such case."""
    if isinstance(error, NoSuchCase):
        raise Problem(404, "No such case", detail=f"{error}; the inbox lists them") from error
    reason = _STALE if isinstance(error, Stale) else str(error)
    status = 422 if isinstance(error, Incomplete | UnknownRootCause) else 409
    return await page.whole(request, caller, filters, case_id, error=reason, status=status, form_input=form_input)


def _choice(value: str, choices: tuple[_Choice, ...]) -> _Choice:
    """The choice in a form's field. Raises Incomplete for none, and for one our forms do not offer."""
    for choice in choices:
        if choice == value:
            return choice
    if not value:
        raise Incomplete("Choose a reason from the list.")
    raise Incomplete(f"{value[:40]!r} is not one of the choices; pick one from the list.")
