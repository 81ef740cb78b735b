"""The walk over what is due goes on while there is a backlog, and returns to the beginning."""

from datetime import UTC, datetime, timedelta

from shared.watermark import BATCHES_BETWEEN_SWEEPS, BEGINNING, Claimed, Watermark

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_a_backlog_is_walked_on_from_where_the_last_batch_ended() -> None:
    watermark = Watermark()
    assert watermark.at_beginning
    watermark.advance(NOON, full=True)
    assert (watermark.position, watermark.at_beginning) == (NOON, False)
    watermark.advance(NOON + timedelta(minutes=1), full=True)
    assert watermark.position == NOON + timedelta(minutes=1)


def test_a_worked_off_backlog_ends_the_walk() -> None:
    for reached in (NOON, None):
        watermark = Watermark()
        watermark.advance(NOON, full=True)
        watermark.advance(reached, full=False)
        assert watermark.at_beginning


def test_an_endless_backlog_does_not_starve_what_was_set_before_it() -> None:
    watermark = Watermark()
    positions = []
    for minute in range(2 * BATCHES_BETWEEN_SWEEPS):
        watermark.advance(NOON + timedelta(minutes=minute), full=True)
        positions.append(watermark.position)
    sweeps = [number for number, position in enumerate(positions, 1) if position == BEGINNING]
    assert sweeps == [BATCHES_BETWEEN_SWEEPS, 2 * BATCHES_BETWEEN_SWEEPS]


def test_a_batch_is_full_when_as_many_rows_were_found_as_were_looked_for() -> None:
    rows = [("c-2", NOON), ("c-1", NOON + timedelta(hours=1)), ("c-2", NOON)]
    assert Claimed.of(rows, most=3) == Claimed(["c-1", "c-2"], NOON + timedelta(hours=1), full=True)
    assert not Claimed.of(rows, most=4).full
    assert Claimed.of([], most=4) == Claimed([], None, full=False)
