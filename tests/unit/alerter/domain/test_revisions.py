"""Whatever order revisions come in, and however often: the same case, open in one queue, and erased for good."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.alerter.domain import revisions, transitions
from services.alerter.domain.case import Case, Step
from shared.contracts.answers import Answer, AnswerErased
from shared.nps import group_of
from tests.unit.alerter.examples import NOON, answer, erased, routing

RULES = routing()
CASE = "case-1"


def apply_all(received: list[Answer | AnswerErased]) -> tuple[Case | None, list[Step]]:
    case, taken = None, []
    for body in received:
        if isinstance(body, AnswerErased):
            steps = revisions.erase(case, CASE, body.revision, NOON)
        else:
            steps = revisions.apply(case, body, RULES, NOON)
        taken += steps
        case = steps[-1].case if steps else case
    return case, taken


def told_of(case: Case | None) -> object:
    assert case is not None
    return (
        case.answer, case.revision, case.queue, case.rule, case.status, case.opened_at, case.owner,
        case.suggested_action, case.closed_reason, case.erased,
    )  # fmt: skip


def open_queues(steps: list[Step]) -> list[str]:
    """The queues whose compacted topic says the case waits."""
    standing = {step.case.queue: step.case for step in steps if step.event_type is not None}
    return [queue for queue, case in standing.items() if queue is not None and case.waiting]


scores = st.lists(st.integers(0, 10), min_size=1, max_size=6)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Answer], list[Answer]]:
    """An answer's revisions in order, and the same shuffled, with some of them twice."""
    given = [
        answer(score, revision, comment=draw(st.sampled_from([None, "late", "broken"])))
        for revision, score in enumerate(draw(scores), 1)
    ]
    again = draw(st.lists(st.sampled_from(given), max_size=6))
    return given, draw(st.permutations(given + again))


@given(histories())
def test_any_order_and_any_repetition_end_in_the_same_case(history: tuple[list[Answer], list[Answer]]) -> None:
    in_order, shuffled = history
    last = told_of(apply_all([in_order[-1]])[0])
    assert told_of(apply_all([*in_order])[0]) == told_of(apply_all([*shuffled])[0]) == last


@given(histories())
def test_after_each_step_the_case_waits_in_exactly_one_queue_the_right_one(
    history: tuple[list[Answer], list[Answer]],
) -> None:
    _, shuffled = history
    for end in range(1, len(shuffled) + 1):
        case, steps = apply_all([*shuffled[:end]])
        assert case is not None and case.answer is not None
        newest = max(shuffled[:end], key=lambda one: one.revision)
        assert case.answer == newest
        assert open_queues(steps) == [RULES.rule_for(newest).queue]


@given(histories())
def test_every_event_of_a_case_has_a_sequence_of_its_own(history: tuple[list[Answer], list[Answer]]) -> None:
    steps = apply_all([*history[1]])[1]
    sequences = [step.case.sequence for step in steps if step.event_type is not None]
    assert sequences == list(range(1, len(sequences) + 1))


@given(histories(), st.integers(0, 12), st.integers(1, 9))
def test_an_erasure_at_any_place_is_never_undone(
    history: tuple[list[Answer], list[Answer]], place: int, revision: int
) -> None:
    received: list[Answer | AnswerErased] = [*history[1]]
    received.insert(min(place, len(received)), erased(revision))
    case, steps = apply_all(received)
    assert case is not None and case.erased and case.answer is None and case.owner is None
    assert open_queues(steps) == []


@given(histories(), st.data())
def test_folding_a_batch_first_decides_the_same(
    history: tuple[list[Answer], list[Answer]], data: st.DataObject
) -> None:
    received: list[Answer | AnswerErased] = [*history[1]]
    if data.draw(st.booleans()):
        received.insert(data.draw(st.integers(0, len(received))), erased(3))
    folded = received[0]
    for body in received[1:]:
        folded = revisions.newest(folded, body)
    at_once, one_by_one = apply_all([folded])[0], apply_all(received)[0]
    assert at_once is not None and one_by_one is not None
    assert (at_once.answer, at_once.status, at_once.erased) == (one_by_one.answer, one_by_one.status, one_by_one.erased)


@given(histories(), st.data())
def test_any_order_at_any_moments_ends_in_the_same_case_with_the_same_deadline(
    history: tuple[list[Answer], list[Answer]], data: st.DataObject
) -> None:
    in_order, shuffled = history
    hours = st.integers(0, 100)
    # Revisions are acknowledged at rising times, whatever the moment at which each arrives here.
    given_at = dict(enumerate(sorted(data.draw(st.lists(hours, min_size=len(in_order), max_size=len(in_order)))), 1))

    def timed(one: Answer) -> Answer:
        return one.model_copy(update={"received_at": NOON + timedelta(hours=given_at[one.revision])})

    def arriving(received: list[Answer]) -> Case:
        case = None
        for one in received:
            steps = revisions.apply(case, timed(one), RULES, NOON + timedelta(hours=100 + data.draw(hours)))
            case = steps[-1].case if steps else case
        assert case is not None
        return replace(case, opened_at=NOON, changed_at=NOON, sequence=1)

    assert arriving(in_order) == arriving(shuffled)


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 50)), min_size=2, max_size=8))
def test_the_deadline_never_moves_later_while_nobody_has_been_in_touch(said: list[tuple[int, int]]) -> None:
    case, at, earliest = None, NOON, None
    for revision, (score, hours) in enumerate(said, 1):
        at += timedelta(hours=hours)
        for step in revisions.apply(case, answer(score, revision, received_at=at), RULES, at):
            case = step.case
        assert case is not None
        if case.due_at is not None:
            assert earliest is None or case.due_at <= earliest
            assert case.due_at <= at + timedelta(hours=24)
            earliest = case.due_at


def test_a_worse_answer_does_not_move_the_deadline_later() -> None:
    case = revisions.apply(None, answer(5), RULES, NOON)[0].case
    late = NOON + timedelta(hours=22)
    (step,) = revisions.apply(case, answer(1, 2, received_at=late), RULES, late)
    assert (step.case.rule, step.case.due_at) == ("very unhappy", NOON + timedelta(hours=24))


def test_a_deadline_counts_from_the_answer_not_from_when_it_was_read() -> None:
    case = revisions.apply(None, answer(5), RULES, NOON + timedelta(hours=30))[0].case
    assert case.due_at == NOON + timedelta(hours=24)


def test_an_answer_stamped_ahead_does_not_put_its_deadline_off() -> None:
    case = revisions.apply(None, answer(5, received_at=NOON + timedelta(days=30)), RULES, NOON)[0].case
    assert case.due_at == NOON + timedelta(hours=24)


def taken_up() -> Case:
    case = revisions.apply(None, answer(3), RULES, NOON)[0].case
    return transitions.assign(case, owner="kim", actor="kim", now=NOON).case


def test_a_comment_later_keeps_queue_owner_and_deadline() -> None:
    (step,) = revisions.apply(taken_up(), answer(3, 2, comment="Broken"), RULES, NOON + timedelta(hours=5))
    assert step.event_type == "case.assigned"
    assert (step.case.owner, step.case.due_at) == ("kim", NOON + timedelta(hours=24))
    assert step.case.answer is not None and step.case.answer.comment == "Broken"


def test_who_took_a_case_up_keeps_it_when_the_customer_is_happy_again() -> None:
    (step,) = revisions.apply(taken_up(), answer(10, 2), RULES, NOON)
    assert (step.case.queue, step.case.owner, step.case.group) == ("detractors", "kim", "promoter")


def test_who_becomes_a_detractor_gets_there_whoever_had_the_case() -> None:
    opened = revisions.apply(None, answer(9), RULES, NOON)[0].case
    happy = transitions.assign(opened, owner="noor", actor="noor", now=NOON).case
    closed = transitions.close(happy, reason="resolved", root_cause=None, text="Done", actor="noor", now=NOON).case
    for before in (happy, closed):
        left, arrived = revisions.apply(before, answer(2, 2), RULES, NOON)
        assert (left.case.queue, left.event_type, left.case.answer) == ("promoters", "case.closed", None)
        assert (arrived.case.queue, arrived.event_type, arrived.case.status) == ("detractors", "case.opened", "open")
        assert arrived.case.due_at == NOON + timedelta(hours=4)
        assert arrived.case.owner is None


def test_a_lower_score_in_the_same_queue_shortens_the_deadline() -> None:
    case = revisions.apply(None, answer(5), RULES, NOON)[0].case
    later = NOON + timedelta(hours=1)
    (step,) = revisions.apply(case, answer(1, 2, received_at=later), RULES, later)
    assert step.case.due_at == NOON + timedelta(hours=5)


def test_a_detractor_who_says_more_after_the_end_is_received_again() -> None:
    closed = transitions.close(taken_up(), reason="no_reply", root_cause=None, text="Done", actor="kim", now=NOON).case
    later = NOON + timedelta(days=3)
    (step,) = revisions.apply(closed, answer(3, 2, comment="Still broken", received_at=later), RULES, later)
    assert (step.event_type, step.case.status, step.case.owner) == ("case.reopened", "assigned", "kim")
    assert step.case.due_at == NOON + timedelta(days=4)
    assert step.case.closed_reason is None


def test_what_a_backend_adds_to_an_answer_does_not_reopen_its_case() -> None:
    before = revisions.apply(None, answer(3, comment="Broken"), RULES, NOON)[0].case
    closed = transitions.close(before, reason="no_reply", root_cause=None, text="Done", actor="kim", now=NOON).case
    for added in (
        {"order_id": "1001"}, {"customer_id": "c-42"}, {"campaign": "x"}, {"segments": {"country": "BR"}},
        {"comment": " Broken\r\n"}, {"comment": None}, {"score": 2},
    ):  # fmt: skip
        changed = answer(3, 2).model_copy(update={"comment": "Broken", **added})
        (step,) = revisions.apply(closed, changed, RULES, NOON)
        assert (step.event_type, step.case.status, step.case.answer) == ("case.closed", "closed", changed), added


def test_who_was_contacted_and_says_more_waits_for_an_answer_again() -> None:
    contacted = transitions.contact(taken_up(), way="phone", text="Called", actor="kim", now=NOON).case
    later = NOON + timedelta(days=3)
    (same,) = revisions.apply(contacted, answer(3, 2, order_id="1001", received_at=later), RULES, later)
    assert (same.event_type, same.case.status, same.case.time_left(later)) == ("case.contacted", "contacted", None)
    (anew,) = revisions.apply(contacted, answer(3, 2, comment="Still broken", received_at=later), RULES, later)
    assert (anew.event_type, anew.case.status, anew.case.owner) == ("case.assigned", "assigned", "kim")
    assert anew.case.time_left(later) == timedelta(hours=24)


def test_a_promoter_who_says_more_after_the_end_stays_closed() -> None:
    closed = transitions.close(taken_up(), reason="resolved", root_cause=None, text="Done", actor="kim", now=NOON).case
    (step,) = revisions.apply(closed, answer(9, 2, comment="Thanks"), RULES, NOON)
    assert (step.event_type, step.case.status) == ("case.closed", "closed")


@given(st.integers(0, 10))
def test_only_detractors_have_a_deadline(score: int) -> None:
    case = revisions.apply(None, answer(score), RULES, NOON)[0].case
    assert (case.due_at is not None) is (group_of(score) == "detractor")


def test_a_case_is_told_again_when_its_customer_becomes_known_and_not_once_it_is_erased() -> None:
    case = taken_up()
    (step,) = revisions.completed(case, NOON + timedelta(hours=1))
    assert (step.event_type, step.case.sequence) == ("case.assigned", case.sequence + 1)
    assert step.case.changed_at == NOON + timedelta(hours=1)
    (forgotten,) = revisions.erase(case, CASE, 9, NOON)
    assert revisions.completed(forgotten.case, NOON) == []


def test_time_is_left_until_the_deadline_while_a_case_waits() -> None:
    case = taken_up()
    assert case.time_left(NOON + timedelta(hours=20)) == timedelta(hours=4)
    assert case.time_left(NOON + timedelta(hours=30)) == timedelta(hours=-6)
    (closed,) = revisions.erase(case, CASE, 9, NOON)
    assert closed.case.due_at is not None and closed.case.time_left(NOON) is None
    assert revisions.apply(None, answer(10), RULES, NOON)[0].case.time_left(NOON) is None


def test_a_case_contacted_in_time_is_never_overdue() -> None:
    contacted = transitions.contact(taken_up(), way="phone", text="Called", actor="kim", now=NOON).case
    assert contacted.due_at == NOON + timedelta(hours=24)
    assert contacted.time_left(NOON + timedelta(hours=30)) is None
