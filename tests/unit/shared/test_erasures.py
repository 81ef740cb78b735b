"""An erasure covers what happened up to it, and nothing after."""

from datetime import UTC, datetime, timedelta

from shared.erasures import is_erased

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)


def test_an_erasure_covers_everything_up_to_its_moment() -> None:
    assert is_erased(NOON, erased_at=NOON)
    assert is_erased(NOON - A_MOMENT, erased_at=NOON)
    assert not is_erased(NOON + A_MOMENT, erased_at=NOON)


def test_nothing_is_erased_without_an_erasure_or_at_an_unknown_time() -> None:
    assert not is_erased(NOON, erased_at=None)
    assert not is_erased(None, erased_at=NOON)
