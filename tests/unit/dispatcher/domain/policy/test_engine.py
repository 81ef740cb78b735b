"""The contact policy: asked once, the most important first, later rather than never while it makes sense."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.campaigns import are_pair
from services.dispatcher.domain.policy.situation import PastSend, Situation
from tests.unit.dispatcher.domain.policy.kit import ANA, DAY, MOMENT, NOW, POLICY, QUIET, decide, said, timer


def test_nothing_speaks_against_it() -> None:
    verdict = decide(timer("service"))["service"]
    assert (verdict.outcome, verdict.reason) == ("sent", "due")
    assert verdict.segments == {"tier": "gold", "survey_channel": "email", "campaign": "service"}


def test_deferred_beyond_its_sense_is_skipped() -> None:
    verdict = decide(timer("service"), history=[PastSend(campaign="other", order_id=None, sent_at=NOW - 75 * DAY)])[
        "service"
    ]
    assert (verdict.outcome, verdict.reason, verdict.until) == ("skipped", "expired", NOW + 15 * DAY)


def test_deferred_to_the_last_moment_of_its_sense_it_waits() -> None:
    last = PastSend(campaign="other", order_id=None, sent_at=NOW - QUIET + 14 * DAY)
    assert said(decide(timer("service"), history=[last])) == {"service": ("deferred", "quiet_period")}
    beyond = replace(last, sent_at=last.sent_at + MOMENT)
    assert said(decide(timer("service"), history=[beyond])) == {"service": ("skipped", "expired")}


def test_of_two_due_the_more_important_is_sent() -> None:
    assert said(decide(timer("other"), timer("service", "o-2"))) == {
        "service": ("sent", "due"),
        "other": ("skipped", "expired"),
    }


names = st.sampled_from(["product", "service", "other"])
order_ids = st.sampled_from(["o-1", "o-2", "o-3"])


@given(
    st.dictionaries(st.tuples(names, order_ids), st.integers(0, 200), max_size=9),
    st.sets(st.integers(0, 320), max_size=60),
    st.integers(1, 100),
)
def test_whatever_comes_due_in_whatever_steps_nobody_is_asked_twice_in_the_quiet_period(
    due_days: dict[tuple[str, str], int], looks: set[int], longest_pause: int
) -> None:
    """A customer's timers run against a clock that is looked at in irregular steps, as after an outage."""
    pending = {key: timer(*key, NOW + day * DAY) for key, day in due_days.items()}
    history: list[PastSend] = []
    for day in sorted({*looks, *range(0, 600, longest_pause)}):
        now = NOW + day * DAY
        due = [each for each in pending.values() if each.check_at <= now]
        upcoming = [each for each in pending.values() if each.check_at > now]
        for verdict in POLICY.decide(
            Situation(customer=ANA, due=due, upcoming=upcoming, orders={}, history=history), now
        ):
            key = (verdict.timer.campaign, str(verdict.timer.order_id))
            if verdict.outcome == "deferred":
                assert verdict.until is not None
                assert now < verdict.until <= verdict.timer.due_at + POLICY.campaigns[key[0]].valid_for
                pending[key] = replace(verdict.timer, check_at=verdict.until)
                continue
            del pending[key]
            if verdict.outcome == "sent":
                history.append(PastSend(campaign=key[0], order_id=key[1], sent_at=now))
    assert not pending, "every timer comes to an end"
    for index, one in enumerate(history):
        for other in history[index + 1 :]:
            pair = are_pair(POLICY.campaigns[one.campaign], POLICY.campaigns[other.campaign])
            apart = abs(other.sent_at - one.sent_at)
            assert apart >= QUIET or (pair and one.order_id == other.order_id)
    if due_days and longest_pause <= 14:
        assert history, "and somebody was asked"
