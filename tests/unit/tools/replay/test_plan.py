"""What a replay does in which step, and how it remembers where it was."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tools.replay.driver import plan, survey_of
from tools.replay.files import FILES
from tools.replay.history import events_of
from tools.replay.journal import Journal, Progress, fingerprint
from tools.replay.olist import PastAnswer, PastOrder
from tools.replay.oracle import Steps, asked

START = datetime(2018, 1, 1, tzinfo=UTC)
STEPS = Steps(START, timedelta(days=1))

moments = st.integers(0, 60 * 24 * 3_600).map(lambda seconds: START + timedelta(seconds=seconds))
answers = st.lists(st.tuples(st.sampled_from((0, 2, 5, 8, 10)), st.integers(0, 40 * 86_400)), max_size=3).map(
    lambda given: tuple(
        PastAnswer(f"r{number}", score, None, timedelta(seconds=after))
        for number, (score, after) in enumerate(sorted(given, key=lambda answer: answer[1]))
    )
)


@st.composite
def past_orders(draw: st.DrawFn) -> list[PastOrder]:
    return [
        PastOrder(
            order_id=f"o{number}",
            customer_id=f"c{draw(st.integers(0, 3))}",
            state=draw(st.sampled_from(("SP", "RJ"))),
            status=draw(st.sampled_from(("delivered", "shipped", "canceled"))),
            placed_at=draw(moments),
            paid_at=draw(st.none() | moments),
            shipped_at=draw(st.none() | moments),
            delivered_at=draw(st.none() | moments),
            promised_at=draw(st.none() | moments),
            total=Decimal("10.00"),
            items=(),
            answers=draw(answers),
        )
        for number in range(draw(st.integers(0, 6)))
    ]


@given(past_orders())
def test_every_event_and_answer_happens_once_and_in_time(orders: list[PastOrder]) -> None:
    events, asks = events_of(orders), asked(orders, STEPS)
    planned = plan(events, asks, STEPS)
    told = [event for step in sorted(planned.events) for event in planned.events[step]]
    assert told == events
    for step, of_step in planned.events.items():
        assert all(event.occurred_at <= STEPS.moment(step) for event in of_step)
    given_answers = [
        (survey, answer)
        for step in sorted(planned.answers)
        for survey, some in planned.answers[step]
        for answer in some
    ]
    expected = [(survey_of(ask), answer) for ask in asks for _, answer in ask.answers]
    assert sorted(given_answers, key=repr) == sorted(expected, key=repr)
    for ask in asks:
        # Nobody answers before the survey is there, and the last to be given is the last that was given.
        assert all(step >= ask.step for step, _ in ask.answers)
        mine = [answer for survey, answer in given_answers if survey == survey_of(ask)]
        assert mine == list(ask.order.answers)
    assert list(planned.wake) == sorted(planned.events.keys() | planned.answers.keys() | {ask.step for ask in asks})


@given(past_orders())
def test_a_cancelled_order_is_asked_about_only_if_it_was_due_before(orders: list[PastOrder]) -> None:
    asks = {ask.order.order_id: ask for ask in asked(orders, STEPS)}
    for order in orders:
        if order.promised_at is None and order.delivered_at is None:
            assert order.order_id not in asks
        elif order.status != "canceled":
            assert order.order_id in asks
        elif order.order_id in asks:
            known = [at for at in (order.placed_at, order.paid_at, order.shipped_at, order.delivered_at) if at]
            assert asks[order.order_id].step < STEPS.number(max(known))


def test_the_journal_remembers_and_forgives(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "progress.json")
    assert journal.read() is None
    journal.write(Progress("abc", 24, done=17))
    assert journal.read() == Progress("abc", 24, done=17)
    (tmp_path / "progress.json").write_text('{"done": 1')
    assert journal.read() is None


def test_other_data_has_another_fingerprint(tmp_path: Path) -> None:
    for name in FILES.values():
        (tmp_path / name).write_text("a,b\n")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    (tmp_path / FILES["orders"]).write_text("a,b\n1,2\n")
    assert fingerprint(tmp_path) != first
