"""A refusal is believed once the server has accepted another message after it."""

from services.dispatcher.courier.domain.refusals import Attempt, Refusals
from shared.transmission import ACCEPTED, Kind, TransmissionOutcome

GONE = TransmissionOutcome("bounced", "550 5.1.1")
POLICY = TransmissionOutcome("failed", "550 5.7.1")
SET_UP = TransmissionOutcome("misconfigured", "530 5.7.0")
LATER = TransmissionOutcome("put_off", "450")


def burst(refusals: Refusals, *outcomes: TransmissionOutcome, before: int = 0, first: int = 0) -> list[Kind]:
    """The kinds that a burst comes to, by message; its messages are numbered from ``first``."""
    current = refusals.burst()
    attempts = [Attempt(str(number), before, outcome) for number, outcome in enumerate(outcomes, first)]
    settled = [each for attempt in attempts for each in current.settled_by(attempt)] + current.end()
    assert sorted(each.send_id for each in settled) == sorted(each.send_id for each in attempts)
    return [each.outcome.kind for each in sorted(settled, key=lambda each: int(each.send_id))]


def test_what_is_refused_before_an_acceptance_is_about_the_message() -> None:
    assert burst(Refusals(2), GONE, POLICY, GONE, GONE, ACCEPTED) == [
        "bounced", "failed", "bounced", "bounced", "accepted",
    ]  # fmt: skip


def test_what_is_refused_after_it_waits_for_the_next_one() -> None:
    refusals = Refusals(5)
    assert burst(refusals, ACCEPTED, POLICY, GONE) == ["accepted", "put_off", "put_off"]
    assert burst(refusals, POLICY, first=1) == ["put_off"], "nothing has been accepted since"
    assert burst(refusals, ACCEPTED, first=9) == ["accepted"]
    assert burst(refusals, POLICY, GONE, first=1) == ["failed", "bounced"]


def test_many_refused_alike_are_the_servers_word_about_us_and_stay_so_until_it_accepts_one() -> None:
    refusals = Refusals(3)
    assert burst(refusals, ACCEPTED, GONE, GONE, GONE, GONE) == ["accepted", *["refuses_all"] * 4]
    assert burst(refusals, GONE, first=1, before=10) == ["refuses_all"], "not even the tenth time"
    assert burst(refusals, ACCEPTED, first=9) == ["accepted"]
    assert burst(refusals, GONE, GONE, first=1) == ["bounced", "bounced"]


def test_the_same_message_refused_often_is_not_many() -> None:
    refusals = Refusals(3)
    assert [burst(refusals, POLICY) for _ in range(5)] == [["put_off"]] * 5


def test_different_refusals_are_not_alike() -> None:
    assert burst(Refusals(3), GONE, GONE, POLICY, POLICY) == ["put_off"] * 4


def test_a_mailbox_that_is_gone_three_times_is_gone_even_if_nobody_else_is_written_to() -> None:
    assert burst(Refusals(5), GONE, before=1) == ["put_off"]
    assert burst(Refusals(5), GONE, before=2) == ["bounced"]
    assert burst(Refusals(5), POLICY, before=2) == ["put_off"]


def test_our_set_up_stops_everything_unless_others_are_accepted() -> None:
    assert burst(Refusals(5), SET_UP, SET_UP) == ["misconfigured", "misconfigured"]
    assert burst(Refusals(5), SET_UP, ACCEPTED) == ["put_off", "accepted"]
    refusals = Refusals(5)
    assert burst(refusals, ACCEPTED, SET_UP) == ["accepted", "misconfigured"]
    for _ in range(3):
        assert burst(refusals, ACCEPTED, SET_UP) == ["accepted", "put_off"]
    assert burst(refusals, SET_UP) == ["misconfigured"], "nothing is accepted any more"


def test_what_is_certain_at_once_is_not_held_back() -> None:
    current = Refusals(5).burst()
    attempt = Attempt("1", 0, LATER)
    assert current.settled_by(attempt) == [attempt]
