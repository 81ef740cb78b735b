"""The case's states: what staff may do when, and what is refused, with the way out."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerter.domain import revisions, transitions
from services.alerter.domain.case import LAST_WAITING, Case, Step
from services.alerter.domain.transitions import Refused, Stale
from tests.unit.alerter.examples import NOON, answer, routing

LATER = NOON + timedelta(hours=1)
TOMORROW = LATER + timedelta(hours=24)
ACTIONS: dict[str, Callable[[Case], Step]] = {
    "assign": lambda case: transitions.assign(case, owner="kim", actor="noor", now=LATER),
    "contact": lambda case: transitions.contact(case, way="phone", text="Called", actor="kim", now=LATER),
    "note": lambda case: transitions.note(case, text="Remember", actor="kim", now=LATER),
    "close": lambda case: transitions.close(
        case, reason="resolved", root_cause="Delivered late", text="", actor="kim", now=LATER
    ),
    "reopen": lambda case: transitions.reopen(case, due_at=TOMORROW, text="", actor="kim", now=LATER),
}


def opened() -> Case:
    return revisions.apply(None, answer(3), routing(), NOON)[0].case


def after(*names: str) -> Case:
    case = opened()
    for name in names:
        case = ACTIONS[name](case).case
    return case


@pytest.mark.parametrize(
    ("names", "status", "event"),
    [
        (["assign"], "assigned", "case.assigned"),
        (["assign", "contact"], "contacted", "case.contacted"),
        (["contact", "note"], "contacted", "case.contacted"),
        (["contact", "close"], "closed", "case.closed"),
        (["close", "reopen"], "assigned", "case.reopened"),
        (["close", "note"], "closed", "case.closed"),
    ],
)
def test_each_action_leads_to_its_status_and_tells_of_it(names: list[str], status: str, event: str) -> None:
    step = ACTIONS[names[-1]](after(*names[:-1]))
    assert (step.case.status, step.event_type) == (status, event)
    assert step.case.sequence == len(names) + 1
    assert step.entry is not None and step.entry.sequence == step.case.sequence
    assert step.case.changed_at == LATER


@pytest.mark.parametrize("name", ["assign", "contact", "close"])
def test_a_closed_case_must_be_reopened_first(name: str) -> None:
    with pytest.raises(Refused, match="reopen it"):
        ACTIONS[name](after("close"))


def test_a_waiting_case_cannot_be_reopened() -> None:
    with pytest.raises(Refused, match="not closed"):
        ACTIONS["reopen"](opened())


@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_is_done_with_an_erased_case(name: str) -> None:
    erased = revisions.erase(opened(), "case", 2, NOON)[0].case
    with pytest.raises(Refused, match="erased"):
        ACTIONS[name](erased)


def test_whoever_contacts_or_closes_a_case_of_nobody_owns_it() -> None:
    assert after("contact").owner == after("close").owner == "kim"


def test_an_empty_note_is_refused() -> None:
    with pytest.raises(Refused, match="empty"):
        transitions.note(opened(), text=" \n", actor="kim", now=NOON)


def test_a_case_is_not_given_to_its_owner_again() -> None:
    with pytest.raises(Refused, match="already kim's"):
        ACTIONS["assign"](after("assign"))


def test_reopening_gives_a_new_deadline() -> None:
    assert after("close", "reopen").due_at == LATER + timedelta(hours=24)


def test_who_saw_an_older_sequence_is_told() -> None:
    with pytest.raises(Stale, match="is at sequence 2, you saw 1"):
        transitions.expect(after("assign"), 1)
    transitions.expect(after("assign"), 2)


@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=12))
def test_no_sequence_of_actions_leaves_the_rules(names: list[str]) -> None:
    case = opened()
    for name in names:
        try:
            step = ACTIONS[name](case)
        except Refused:
            continue
        assert step.case.sequence == case.sequence + 1
        case = step.case
    assert (case.status == "closed") is (case.closed_reason is not None)
    assert case.owner is not None or case.status == "open"
    assert (case.position <= LAST_WAITING) is case.waiting


def test_lists_put_deadlines_first_then_the_newest_then_what_was_closed_last() -> None:
    later = revisions.apply(None, answer(6, received_at=LATER), routing(), LATER)[0].case
    old = revisions.apply(None, answer(9), routing(), NOON)[0].case
    new = revisions.apply(None, answer(9), routing(), LATER)[0].case
    assert opened().position < later.position < new.position < old.position
    # What somebody is in touch about comes after all that nobody is, the longest untouched first.
    in_touch = [
        transitions.contact(opened(), way="phone", text="Called", actor="kim", now=now).case for now in (NOON, LATER)
    ]
    assert old.position < in_touch[0].position < in_touch[1].position <= LAST_WAITING
    closed_first = transitions.close(opened(), reason="resolved", root_cause=None, text="x", actor="kim", now=NOON).case
    closed_last = transitions.close(opened(), reason="resolved", root_cause=None, text="x", actor="kim", now=LATER).case
    assert old.position <= LAST_WAITING < closed_last.position < closed_first.position
