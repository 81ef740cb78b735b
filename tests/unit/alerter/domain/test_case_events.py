"""What is published of a case: all that is known around it, and nothing of a person once erased."""

import json
from datetime import timedelta
from typing import Any

import pytest

from services.alerter.domain import revisions
from services.alerter.domain.case import Case, CaseContext
from services.alerter.domain.case_events import body, events
from services.alerter.domain.search import searchable_texts
from shared.contracts.answers import Answer
from shared.persistence.stored import read_stored
from tests.unit.alerter.examples import NOON, answer, context, routing

RULES = routing()
CONTEXT = context()


def opened(**other: Any) -> Case:
    given: dict[str, Any] = {"customer_id": "c-42", "order_id": "1001", "comment": "Far too late", **other}
    return revisions.apply(None, answer(2, **given), RULES, NOON)[0].case


def test_a_case_is_told_with_answer_customer_and_order() -> None:
    told = body(opened(), CONTEXT)
    assert told.answer is not None and (told.answer.score, told.answer.comment) == (2, "Far too late")
    assert told.customer is not None and told.order is not None
    assert (told.customer.name, told.customer.email) == ("Ana Prado", "ana@example.com")
    assert (told.order.order_id, told.order.status, told.order.products) == ("1001", "placed", ["Wooden train"])
    assert (told.order.placed_at, told.order.promised_at) == (NOON, NOON - timedelta(days=6))


def test_what_is_not_known_yet_is_told_by_its_id_alone() -> None:
    told = body(opened(locale="pt-BR"), CaseContext())
    assert told.customer is not None and told.order is not None
    assert (told.customer.customer_id, told.customer.name, told.customer.locale) == ("c-42", None, "pt-BR")
    assert (told.order.order_id, told.order.status, told.order.products) == ("1001", None, [])
    stranger = body(opened(customer_id=None, order_id=None), CONTEXT)
    assert (stranger.customer, stranger.order) == (None, None)


def test_an_erased_case_tells_nothing_of_the_person_whatever_is_known() -> None:
    (step,) = revisions.erase(opened(), "case-1", 9, NOON)
    told = body(step.case, CONTEXT)
    assert (told.answer, told.customer, told.order, told.status) == (None, None, None, "closed")
    assert searchable_texts(step.case, CONTEXT) == []


def test_a_case_erased_before_it_was_opened_is_told_to_nobody() -> None:
    (step,) = revisions.erase(None, "case-1", 9, NOON)
    assert events([step], CaseContext()) == []
    with pytest.raises(ValueError, match="erased before it was opened"):
        body(step.case, CaseContext())


def test_each_step_is_an_event_on_the_topic_of_its_queue() -> None:
    first = revisions.apply(None, answer(2), RULES, NOON)
    moved = revisions.apply(first[-1].case, answer(10, 2), RULES, NOON + timedelta(hours=1))
    told = events([*first, *moved], CaseContext())
    assert [(event.topic, event.type) for event in told] == [
        ("followups.detractors", "case.opened"),
        ("followups.detractors", "case.closed"),
        ("followups.promoters", "case.opened"),
    ]
    assert {event.key for event in told} == {first[0].case.case_id}
    assert len({event.event_id for event in told}) == 3


def test_an_answer_through_a_channel_that_only_a_newer_release_knows_is_published_with_it() -> None:
    written = json.loads(answer(2, customer_id="c-42", order_id="1001").model_dump_json()) | {"channel": "kiosk"}
    case = revisions.apply(None, read_stored(Answer, json.dumps(written)), RULES, NOON)[0].case
    told = json.loads(body(case, CONTEXT).model_dump_json())
    assert told["answer"]["channel"] == "kiosk"
