"""What a replay does in which step, and how it records its progress."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tools.replay.files import FILES
from tools.replay.history import events_of
from tools.replay.journal import Journal, Progress, fingerprint
from tools.replay.olist import PastAnswer, PastOrder
from tools.replay.oracle import Steps, expected_surveys
from tools.replay.plan import make_plan, send_id_of

START = datetime(2018, 1, 1, tzinfo=UTC)
STEPS = Steps(START, timedelta(days=1))

moments = st.integers(0, 60 * 24 * 3_600).map(lambda seconds: START + timedelta(seconds=seconds))
answers = st.lists(st.tuples(st.sampled_from((0, 2, 5, 8, 10)), st.integers(0, 40 * 86_400)), max_size=3).map(
    lambda given: tuple(
        PastAnswer(review_id=f"r{number}", score=score, comment=None, after=timedelta(seconds=after))
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
    events, surveys = events_of(orders), expected_surveys(orders, STEPS)
    planned = make_plan(events, surveys, STEPS)
    published = [event for step in sorted(planned.events) for event in planned.events[step]]
    assert published == events
    for step, of_step in planned.events.items():
        assert all(event.occurred_at <= STEPS.moment(step) for event in of_step)
    given_answers = [
        (send_id, answer)
        for step in sorted(planned.answers)
        for send_id, some in planned.answers[step]
        for answer in some
    ]
    expected = [(send_id_of(survey), answer) for survey in surveys for _, answer in survey.answers]
    assert sorted(given_answers, key=repr) == sorted(expected, key=repr)
    for survey in surveys:
        # Nobody answers before the survey is sent, and the answers keep their order.
        assert all(step >= survey.step for step, _ in survey.answers)
        mine = [answer for send_id, answer in given_answers if send_id == send_id_of(survey)]
        assert mine == list(survey.order.answers)
    assert list(planned.active_steps) == sorted(
        planned.events.keys() | planned.answers.keys() | {survey.step for survey in surveys}
    )


@given(past_orders())
def test_a_cancelled_order_is_surveyed_only_if_it_was_due_before(orders: list[PastOrder]) -> None:
    surveys = {survey.order.order_id: survey for survey in expected_surveys(orders, STEPS)}
    for order in orders:
        if order.promised_at is None and order.delivered_at is None:
            assert order.order_id not in surveys
        elif order.status != "canceled":
            assert order.order_id in surveys
        elif order.order_id in surveys:
            known = [at for at in (order.placed_at, order.paid_at, order.shipped_at, order.delivered_at) if at]
            assert surveys[order.order_id].step < STEPS.number(max(known))


def test_the_journal_is_read_back_and_a_damaged_one_ignored(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "progress.json")
    assert journal.read() is None
    journal.write(Progress("abc", 24, completed_step=17))
    assert journal.read() == Progress("abc", 24, completed_step=17)
    (tmp_path / "progress.json").write_text('{"done": 1')
    assert journal.read() is None


def test_other_data_has_another_fingerprint(tmp_path: Path) -> None:
    for name in FILES.values():
        (tmp_path / name).write_text("a,b\n")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    (tmp_path / FILES["orders"]).write_text("a,b\n1,2\n")
    assert fingerprint(tmp_path) != first
