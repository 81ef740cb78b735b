"""What follows from an attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.courier.domain.deliveries import Ending, Results, Retry
from services.dispatcher.courier.domain.outcomes import NOT_TAKEN, Pauses, results_of, with_jitter
from services.dispatcher.courier.domain.refusals import Attempt
from shared.transmission import ACCEPTED, NOT_BEGUN, Kind, TransmissionOutcome

PAUSES = Pauses(first=10, longest=3_600, give_up=4 * 86_400)


@pytest.mark.parametrize(
    ("outcome", "results"),
    [
        (ACCEPTED, Results(endings=[Ending("s", "accepted")])),
        (TransmissionOutcome("bounced", "550 5.1.1"), Results(endings=[Ending("s", "bounced", reason="550 5.1.1")])),
        (TransmissionOutcome("failed", "554"), Results(endings=[Ending("s", "failed", reason="554")])),
        (TransmissionOutcome("unresolved", "TimeoutError"), Results(unresolved=["s"])),
        (
            TransmissionOutcome("put_off", "451"),
            Results(retries=[Retry(send_id="s", reason="451", seconds=40, tries=1)]),
        ),
        (
            TransmissionOutcome("throttled", "421"),
            Results(retries=[Retry(send_id="s", reason="421", seconds=40, tries=1)]),
        ),
        # The server's trouble counts no try against the message, and a message that was not begun waits for nothing.
        *(
            (TransmissionOutcome(kind, "554"), Results(retries=[Retry(send_id="s", reason="554", seconds=20, tries=0)]))
            for kind in NOT_TAKEN
            if kind != "throttled"
        ),
        (NOT_BEGUN, Results(retries=[Retry(send_id="s", reason=None, seconds=0, tries=0)])),
    ],
)
def test_each_outcome_ends_retries_or_leaves_a_delivery(outcome: TransmissionOutcome, results: Results) -> None:
    found = results_of([Attempt("s", 2, outcome)], PAUSES, chance=lambda: 0.5)
    assert (list(found.endings), list(found.retries), list(found.unresolved)) == (
        list(results.endings), list(results.retries), list(results.unresolved),
    )  # fmt: skip


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_pauses_grow_to_a_limit_and_never_beyond(attempts: int, chance: float) -> None:
    def pause(put_off_before: int, chance: float) -> float:
        attempt = Attempt("s", put_off_before, TransmissionOutcome("unavailable"))
        (retry,) = results_of([attempt], PAUSES, chance=lambda: chance).retries
        return retry.seconds

    middle = min(3_600, 10 * 2 ** min(max(attempts, 1) - 1, 20))
    assert 0.75 * middle <= pause(attempts, chance) <= 1.25 * middle
    assert pause(attempts, 0.5) == with_jitter(middle, chance=0.5) == middle
    assert pause(attempts + 1, chance) >= pause(attempts, chance)


@pytest.mark.parametrize("kind", ["put_off", "throttled"])
def test_a_message_is_given_up_once_its_pauses_add_up_to_the_limit(kind: Kind) -> None:
    outcome = TransmissionOutcome(kind, "450 4.2.0")
    for before in range(200):
        found = results_of([Attempt("s", before, outcome)], PAUSES, chance=lambda: 0.5)
        if found.endings:
            break
    assert found.endings == [Ending("s", "failed", reason="gave_up 450 4.2.0")]
    waited = sum(min(3_600, 10 * 2**number) for number in range(before + 1))
    assert 4 * 86_400 <= waited < 4 * 86_400 + 3_600


def test_a_server_in_trouble_ends_no_delivery_however_long_it_takes() -> None:
    for kind in ("unavailable", "misconfigured", "refuses_all"):
        found = results_of([Attempt("s", 10_000, TransmissionOutcome(kind))], PAUSES, chance=lambda: 0.5)
        assert not found.endings and len(found.retries) == 1
