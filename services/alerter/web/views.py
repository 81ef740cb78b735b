"""The view of a case for the inbox's templates: words and numbers instead of fields."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, get_timezone_name
from babel.numbers import format_currency
from jinja2 import Environment
from markupsafe import Markup, escape

from services.alerter.domain import case_events
from services.alerter.domain.case import Case, CaseContext, Entry
from services.alerter.domain.case_list import MAX_SEARCH, STATUS_FILTERS, UNASSIGNED
from services.alerter.domain.routing import Routing
from services.alerter.queries.cases import CaseDetail
from services.alerter.web import words
from services.alerter.web.filters import EVERY_QUEUE
from shared.contracts import followups
from shared.contracts.orders import Money
from shared.contracts.types import MAX_COMMENT

_LOCALE = "en"


def install(environment: Environment, zone: ZoneInfo) -> None:
    """Adds what the templates use. ``zone`` is the shop's; the script converts times to the reader's."""
    environment.filters["moment"] = lambda at: moment(at, zone)
    environment.filters["money"] = money
    environment.filters["mailto"] = lambda address: "mailto:" + quote(address, safe="@")
    environment.filters["tel"] = lambda number: "tel:" + quote(number.replace(" ", ""), safe="+")
    environment.globals.update(unassigned=UNASSIGNED, every_queue=EVERY_QUEUE, status_filters=STATUS_FILTERS)
    environment.globals.update(max_comment=MAX_COMMENT, max_search=MAX_SEARCH)
    environment.globals.update(
        way_words=words.WAY_WORDS, reason_words=words.REASON_WORDS, status_words=words.STATUS_WORDS
    )


def moment(at: datetime, zone: ZoneInfo) -> Markup:
    """A time element: short, with the full time and time zone on hover."""
    local = at.astimezone(zone)
    short = format_datetime(local, "d MMM y, HH:mm", locale=_LOCALE)
    whole = f"{format_datetime(local, 'full', locale=_LOCALE)} ({get_timezone_name(local, locale=_LOCALE)})"
    exact = at.astimezone(UTC).isoformat(timespec="seconds")
    return Markup(f'<time datetime="{escape(exact)}" title="{escape(whole)}">{escape(short)}</time>')  # noqa: S704  # every part is escaped


def money(value: Money) -> str:
    return format_currency(value.amount, value.currency, locale=_LOCALE)


def row_view(case: Case, context: CaseContext, now: datetime) -> dict[str, Any]:
    """A row of the list. ``case`` has a queue; without an answer it was erased."""
    answer = case.answer
    order = context.order
    products = order.description.products if order is not None and order.description is not None else ()
    return {
        "case_id": case.case_id,
        "sequence": case.sequence,
        "group": case.group,
        "group_word": words.GROUP_WORDS[case.group] if case.group else None,
        "score": None if answer is None else answer.score,
        "name": _name(case, context),
        "comment": words.first_words(answer.comment) if answer is not None and answer.comment else None,
        "product": words.first_words(products[0], 40) if products else None,
        "owner": case.owner,
        "status": case.status,
        "status_word": words.STATUS_WORDS.get(case.status, case.status),
        "time_left": words.time_left(case.time_left(now)),
        "since": words.since(case.status, now - case.changed_at),
        "opened_at": case.opened_at,
    }


def case_view(detail: CaseDetail, routing: Routing, me: str, now: datetime) -> dict[str, Any]:
    """A case for its page."""
    case, body = detail.case, case_events.body(detail.case, detail.context)
    answer, order = body.answer, body.order
    return {
        **row_view(case, detail.context, now),
        "answer": answer,
        "customer": body.customer,
        "order": order,
        "suggested_action": body.suggested_action,
        "queue_title": routing.queues.get(body.queue, body.queue),
        "further_answers": {} if case.answer is None else case.answer.further_answers,
        "survey": detail.survey,
        "survey_channel": None if detail.survey is None else _channel(detail.survey.channel),
        "answer_channel": None if answer is None else _channel(answer.channel),
        "lateness": None
        if order is None
        else words.lateness(promised=order.promised_at, delivered=order.delivered_at, now=now),
        "segments": _segments(answer),
        "history": [entry_view(entry, routing) for entry in detail.history],
        "orders": [other for other in detail.orders if order is None or other.order_id != order.order_id],
        "surveys": [sent for sent in detail.surveys if detail.survey is None or sent.send_id != detail.survey.send_id],
        "other_cases": [row_view(other, CaseContext(), now) for other in detail.other_cases],
        "next_action": next_action(case, me),
        "waiting": case.waiting,
        "erased": case.erased,
        "closed_word": words.REASON_WORDS.get(case.closed_reason or "", case.closed_reason),
    }


def next_action(case: Case, me: str) -> str:
    """The next action; its button comes first."""
    if case.erased:
        return "none"
    if not case.waiting:
        return "reopen"
    if case.status == "contacted":
        return "close"
    return "contact" if case.owner == me else "assign"


def entry_view(entry: Entry, routing: Routing) -> dict[str, Any]:
    """An entry of the history in words. ``text`` is what staff wrote, if anything."""
    happened = words.what_happened(entry, routing)
    return {"at": entry.at, "actor": entry.actor, "happened": happened, "text": entry.details.get("text")}


def _name(case: Case, context: CaseContext) -> str:
    if case.answer is None:
        return "Erased"
    if context.customer is not None and context.customer.name:
        return context.customer.name
    if case.answer.customer_id is None:
        return "Anonymous"
    return f"Customer {case.answer.customer_id}"


def _segments(answer: followups.CaseAnswer | None) -> list[tuple[str, str]]:
    if answer is None:
        return []
    return [
        (dimension.replace("_", " "), ", ".join(values) if isinstance(values, list) else values)
        for dimension, values in sorted(answer.segments.items())
    ]


def _channel(channel: str) -> str:
    return words.CHANNEL_WORDS.get(channel, channel)
