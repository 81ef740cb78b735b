"""The walk over what is due passes what was handled once, and returns to the beginning as often as that is cheap."""

from datetime import UTC, datetime, timedelta

from shared.watermark import BEGINNING, Claimed, First, Watermark

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Table:
    """Rows by the time they are due, and how long a walk from the beginning to the first of them takes."""

    def __init__(self, *due: datetime, seconds: float = 0.0, late: timedelta = timedelta(0)) -> None:
        self.due = sorted(due)
        self.seconds = seconds
        self.time = 0.0
        self.walks: list[datetime] = []
        self.watermark = Watermark(lambda: self.time, late=late)

    async def find(self, since: datetime) -> First:
        self.walks.append(since)
        if since == BEGINNING:
            self.time += self.seconds
        return First(next((due for due in self.due if due >= since), None), NOON)

    async def look(self) -> First:
        return await self.watermark.look(self.find)


async def test_it_looks_from_the_beginning_as_long_as_that_is_quick() -> None:
    table = Table(NOON, seconds=0.001)
    for _ in range(3):
        assert (await table.look()).due
    assert table.walks == [BEGINNING] * 3


async def test_a_long_walk_is_made_for_a_twentieth_of_the_time() -> None:
    table = Table(NOON - MINUTE, seconds=0.5)
    for _ in range(100):
        await table.look()
        table.time += 1
    assert table.walks.count(BEGINNING) == 10
    assert set(table.walks) == {BEGINNING, NOON - MINUTE}


async def test_what_was_added_behind_it_is_found() -> None:
    table = Table(NOON - MINUTE, seconds=0.5)
    assert (await table.look()).due_at == NOON - MINUTE
    table.due.insert(0, NOON - 2 * MINUTE)
    assert (await table.look()).due_at == NOON - MINUTE
    table.time += 10
    assert (await table.look()).due_at == NOON - 2 * MINUTE
    assert table.watermark.position == NOON - 2 * MINUTE


async def test_after_all_that_is_due_it_waits_for_what_comes_due() -> None:
    for rows in ([], [NOON + MINUTE]):
        table = Table(*rows)
        assert not (await table.look()).due
        assert table.watermark.position == NOON


async def test_what_becomes_visible_late_is_not_passed() -> None:
    table = Table(seconds=1, late=MINUTE)
    await table.look()
    table.due.append(NOON - MINUTE / 2)
    assert (await table.look()).due


async def test_a_backlog_is_walked_on_from_where_the_last_batch_ended() -> None:
    table = Table(NOON - 9 * MINUTE, seconds=0.5)
    await table.look()
    table.watermark.claimed(Claimed(["c-1"], NOON - 8 * MINUTE, full=True), 0.01)
    assert table.watermark.position == NOON - 8 * MINUTE


async def test_what_could_not_be_claimed_is_looked_for_again() -> None:
    table = Table(NOON - 9 * MINUTE, seconds=0.5)
    await table.look()
    for claimed in (Claimed(["c-1"], NOON - MINUTE, full=False), Claimed([], None, full=False)):
        table.watermark.claimed(claimed, 0.01)
        assert table.watermark.position == NOON - 9 * MINUTE


async def test_a_claim_that_passes_what_others_hold_counts_as_part_of_the_walk() -> None:
    """The first row is locked by somebody, and found at once; behind it are those that were handled."""
    table = Table(NOON - 9 * MINUTE, seconds=0.001)
    await table.look()
    table.watermark.claimed(Claimed(["c-1"], NOON - 8 * MINUTE, full=True), 1.0)
    await table.look()
    assert table.walks == [BEGINNING, NOON - 8 * MINUTE]


def test_a_batch_is_full_when_as_many_rows_were_found_as_were_looked_for() -> None:
    rows = [("c-2", NOON), ("c-1", NOON + timedelta(hours=1)), ("c-2", NOON)]
    assert Claimed.of(rows, most=3) == Claimed(["c-1", "c-2"], NOON + timedelta(hours=1), full=True)
    assert not Claimed.of(rows, most=4).full
    assert Claimed.of([], most=4) == Claimed([], None, full=False)
