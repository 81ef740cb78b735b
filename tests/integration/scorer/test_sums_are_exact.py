"""Promise 2 and 6, from answers to published scores: exact at every commit, whoever dies between whichever statements.

Two processes count, fold, begin days and publish, in any order, with clocks of their own that may also go back, and a
batch that stays open meanwhile. After every step the counts are the sum over what is stored, and the sums of windows
those over the counts; once it is quiet, the scores published last are right, and each was numbered once.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from unittest.mock import patch

import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions import day_counts as day_counts_actions
from services.scorer.actions import scores as scores_actions
from services.scorer.actions.day_counts import fold_changes, walk
from services.scorer.actions.scores import publish_everybody, publish_oldest
from services.scorer.domain.comparisons import ValuesPage
from services.scorer.domain.scores import Sums, window_score
from services.scorer.domain.windows import EARLIEST, Days, window_days
from services.scorer.loops.scores import ScoreLoop
from services.scorer.repository import day_counts, publisher, window_sums
from shared.contracts import deliveries
from shared.contracts.answers import StillCounted
from shared.contracts.scores import WINDOW_DAYS, Window
from shared.nps import Counts, group_of
from shared.persistence.statement import Statement
from tests.integration.scorer.handlers.test_surveys import delivery, survey
from tests.integration.scorer.kit import ALL_COUNTS, START, Event, Scorer, StartScorer, answer, erased, make_anew
from tests.kit.messages import message

COUNTERS = ("promoters", "passives", "detractors", "delivered", "answered")
SEGMENTS: list[dict[str, Any]] = [{}, {"country": "BR"}, {"country": "NO", "category": ["toys", "books"]}]
CAMPAIGNS = [None, "service-nps", "*"]
# Near the edges of windows, in the future, and in between.
DAYS_AGO = st.sampled_from([-2, -1, 0, 0, 0, 1, 6, 7, 8, 13, 14, 29, 30, 60, 61, 364, 365, 366, 729, 730, 900])


class Crash(OSError):
    """A backend failed, or so it seems: nobody can tell it from the process's own end."""


@contextlib.contextmanager
def crashing_at(statement: int | None) -> Iterator[None]:
    """Raises Crash instead of the statement with that number, counted from 0."""
    executed = 0

    def counted(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def execute(*arguments: Any, **more: Any) -> Any:
            nonlocal executed
            executed += 1
            if executed - 1 == statement:
                raise Crash
            return await method(*arguments, **more)

        return execute

    with (
        patch.object(Statement, "rows", counted(Statement.rows)),
        patch.object(Statement, "changes", counted(Statement.changes)),
        patch.object(AsyncConnection, "execute", counted(AsyncConnection.execute)),
    ):
        yield


class Given(NamedTuple):
    number: int
    revision: int
    score: int
    days_ago: int
    campaign: int
    segments: int
    erased: bool


GIVEN = st.builds(
    Given,
    number=st.integers(0, 5),
    revision=st.integers(1, 3),
    score=st.integers(0, 10),
    days_ago=DAYS_AGO,
    campaign=st.integers(0, len(CAMPAIGNS) - 1),
    segments=st.integers(0, len(SEGMENTS) - 1),
    erased=st.booleans(),
)
WHO = st.integers(0, 1)
CRASH = st.one_of(st.none(), st.integers(0, 9))
STEPS = st.one_of(
    st.tuples(st.just("take"), WHO, st.lists(GIVEN, min_size=1, max_size=5)),
    st.tuples(st.just("survey"), WHO, st.tuples(st.integers(0, 5), DAYS_AGO, st.sampled_from(["accepted", "bounced"]))),
    st.tuples(st.just("open"), WHO, st.lists(GIVEN, min_size=1, max_size=3)),
    st.tuples(st.just("close"), WHO, st.booleans()),
    st.tuples(st.just("days"), WHO, st.sampled_from([1, 1, 1, 2, 7, 40, 400, -1, -1, -3, -50])),
    st.tuples(st.just("fold"), WHO, CRASH),
    st.tuples(st.just("fold some"), WHO, CRASH),
    # Some at a time, so that much happens in the middle of a walk.
    *(st.tuples(st.just("walk"), WHO, CRASH) for _ in range(3)),
    st.tuples(st.just("everybody"), WHO, CRASH),
    st.tuples(st.just("oldest"), WHO, CRASH),
    st.tuples(st.just("round"), WHO, CRASH),
    st.tuples(st.just("make anew"), WHO, st.none()),
)


class Clock:
    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment


class World:
    """Two scorers on one database, and what was published by them."""

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        self.scorers = scorers
        self.clocks = [Clock(), Clock()]
        self._open: contextlib.AsyncExitStack | None = None

    async def begin(self) -> None:
        await self.close(commit=False)
        self.clocks = [Clock(), Clock()]
        for scorer, clock in zip(self.scorers, self.clocks, strict=True):
            scorer.runtime.clock = clock
        await self.scorers[0].change(
            "TRUNCATE answers, surveys, comments, day_counts, day_changes, window_sums, scores, outbox"
        )
        await self.scorers[0].change("DELETE FROM publisher")
        await self.scorers[0].change("INSERT INTO publisher DEFAULT VALUES")

    async def take(self, step: str, who: int, what: Any) -> None:
        scorer = self.scorers[who]
        match step:
            case "take":
                await scorer.take("surveys.answers", *map(event_of, what))
            case "survey":
                number, days_ago, outcome = what
                kind = deliveries.ACCEPTED if outcome == "accepted" else deliveries.BOUNCED
                await scorer.take("surveys.sends", survey(f"send {number}", sent_at=START - timedelta(days=days_ago)))
                await scorer.take("surveys.deliveries", delivery(kind, f"send {number}"))
            case "open":
                await self._begin_open(scorer, [one._replace(number=one.number + 100) for one in what])
            case "close":
                await self.close(commit=what)
            case "days":
                self.clocks[who].moment += timedelta(days=what)
            case "make anew":
                await make_anew(scorer)
            case "fold some":
                await crashing(lambda: fold_some(scorer), what)
            case "round":
                await crashing(ScoreLoop(scorer.runtime).step, what)
            case _:
                action = {"fold": fold_changes, "walk": walk, "everybody": publish_everybody, "oldest": publish_oldest}
                await crashing(lambda: action[step](scorer.runtime), what)

    async def _begin_open(self, scorer: Scorer, what: Sequence[Given]) -> None:
        """A batch whose transaction stays open: it has a lower number than those that commit meanwhile."""
        await self.close(commit=True)
        self._open = contextlib.AsyncExitStack()
        connection = await self._open.enter_async_context(scorer.runtime.transaction())
        await scorer.handler(connection, [message("surveys.answers", *event_of(one), at=START) for one in what])

    async def close(self, *, commit: bool) -> None:
        if self._open is None:
            return
        opened, self._open = self._open, None
        if commit:
            await opened.aclose()
        else:
            with contextlib.suppress(Crash):
                async with opened:
                    raise Crash


async def crashing(action: Callable[[], Awaitable[Any]], at: int | None) -> None:
    with crashing_at(at):
        try:
            await action()
        except Crash:
            event("died in the middle")


async def fold_some(scorer: Scorer) -> None:
    """Fewer changes than there may be."""
    async with scorer.runtime.transaction() as connection:
        if await publisher.take_turn(connection):
            known = await publisher.read(connection)
            if known.last_day is not None:
                await window_sums.fold(connection, most=2, day=known.last_day, made_to=known.made_to)


def event_of(one: Given) -> Event:
    name, at = f"answer {one.number}", START - timedelta(days=one.days_ago)
    if one.erased:
        still = StillCounted(
            group=group_of(one.score),
            day=at.date(),
            campaign=CAMPAIGNS[one.campaign],
            surveyed=True,
            segments=SEGMENTS[one.segments],
        )
        return erased(name, one.revision, still)
    return answer(
        name,
        one.score,
        revision=one.revision,
        at=at,
        campaign=CAMPAIGNS[one.campaign],
        segments=SEGMENTS[one.segments],
        send_id=f"send {one.number}",
    )


Place = tuple[int, int, date]
Cells = dict[Place, tuple[int, ...]]
"""By segment, campaign and day: what COUNTERS name."""


async def stored(scorer: Scorer) -> Cells:
    """The sum over the stored answers and surveys."""
    cells: defaultdict[Place, Counter[str]] = defaultdict(Counter)
    for row in await scorer.query("SELECT campaign_id, day, score, erased_group, segment_ids FROM answers"):
        if row.day is not None:
            group = row.erased_group if row.score is None else group_of(row.score)
            for segment_id in row.segment_ids:
                cells[segment_id, row.campaign_id, row.day][f"{group}s"] += 1
    for row in await scorer.query(
        "SELECT campaign_id, sent_on, answered, segment_ids FROM surveys"
        " WHERE sent_on IS NOT NULL AND accepted AND NOT failed"
    ):
        for segment_id in row.segment_ids:
            cells[segment_id, row.campaign_id, row.sent_on]["delivered"] += 1
            cells[segment_id, row.campaign_id, row.sent_on]["answered"] += row.answered
    return {place: tuple(cell[counter] for counter in COUNTERS) for place, cell in cells.items() if any(cell.values())}


async def counted(scorer: Scorer, source: str) -> Cells:
    rows = await scorer.query(f"SELECT * FROM ({source}) AS counted")
    return {
        (row.segment_id, row.campaign_id, row.day): cell
        for row in rows
        if any(cell := tuple(int(getattr(row, counter)) for counter in COUNTERS))
    }


def total(cells: Cells, segment_id: int, campaign_id: int, days: Days) -> tuple[int, ...]:
    """Of one campaign, or of all together (−1)."""
    found = [
        cell
        for (segment, campaign, day), cell in cells.items()
        if segment == segment_id and campaign_id in (-1, campaign) and days.after < day <= days.end
    ]
    return tuple(sum(column) for column in zip(*found, strict=True)) or (0,) * len(COUNTERS)


def window(end: date, length: int | None, back: int = 0) -> Days:
    if length is None:
        return Days(after=EARLIEST, end=end)
    last = end - timedelta(days=back * length)
    return Days(after=last - timedelta(days=length), end=last)


async def check_counts(scorer: Scorer) -> None:
    expected = await stored(scorer)
    assert await counted(scorer, ALL_COUNTS) == expected
    # What queries read knows by itself what is not folded yet.
    everything = Days(after=EARLIEST, end=date(2100, 1, 1))
    async with scorer.runtime.read_only() as connection:
        (sums,) = await day_counts.sums(connection, [everything], segment_id=0, campaign_id=None)
    assert of_sums(sums) == total(expected, 0, -1, everything)
    await check_values(scorer, expected)


ALL_VALUES = ValuesPage(minimum=1, most=None, start=0, limit=100)
WINDOWS: tuple[Window, ...] = ("30d", "all")


async def check_values(scorer: Scorer, cells: Cells) -> None:
    """Of the day of the sums, from which they are read once all are of it."""
    (known,) = await scorer.query(
        "SELECT COALESCE(last_day, CAST(:today AS date)) AS day, walked_to, building FROM publisher", today=START
    )
    event("all sums are made" if known.walked_to is None else "in a walk" if known.walked_to >= 0 else "before a walk")
    segments = await scorer.query("SELECT id, dimension, value FROM segments WHERE id <> 0")
    campaigns = [row.id for row in await scorer.query("SELECT id FROM campaigns WHERE name = 'service-nps'")]
    for window in WINDOWS:
        span = window_days(window, known.day)
        for dimension in {row.dimension for row in segments}:
            for campaign_id in (None, *campaigns):
                async with scorer.runtime.read_only() as connection:
                    found = await day_counts.values_of_dimension(
                        connection, span, ALL_VALUES, dimension=dimension, campaign_id=campaign_id
                    )
                expected = {
                    row.value: total(cells, row.id, -1 if campaign_id is None else campaign_id, span)[:3]
                    for row in segments
                    if row.dimension == dimension
                }
                assert {value: (counts.promoters, counts.passives, counts.detractors)
                        for value, counts in found.counts} == {
                    value: counts for value, counts in expected.items() if any(counts)
                }, (window, dimension, campaign_id)  # fmt: skip


def of_sums(sums: Sums) -> tuple[int, ...]:
    counts = sums.counts
    return counts.promoters, counts.passives, counts.detractors, sums.delivered or 0, sums.answered


async def check_sums(scorer: Scorer) -> None:
    """Each row of sums, as of its own day."""
    cells = await counted(scorer, "SELECT * FROM day_counts")
    rows = await scorer.query("SELECT * FROM window_sums")
    for row in rows:
        for name, length in WINDOW_DAYS.items():
            found = tuple(getattr(row, f"{counter}_{name}") for counter in COUNTERS)
            assert found == total(cells, row.segment_id, row.campaign_id, window(row.as_of, length)), (row, name)
            if length is not None:
                found = tuple(getattr(row, f"{counter}_before_{name}") for counter in COUNTERS[:3])
                expected = total(cells, row.segment_id, row.campaign_id, window(row.as_of, length, back=1))
                assert found == expected[:3], (row, name)


async def check_published(scorer: Scorer, *, quiet: bool) -> None:
    """What was published, in order; once ``quiet``, the last of each key is what the stored answers say."""
    last: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in await scorer.query("SELECT value FROM outbox ORDER BY id"):
        body = orjson.loads(row.value)
        key = body["campaign"], body["window"], body["segment"]
        before = last.get(key, {"sequence": 0})
        assert body["sequence"] == before["sequence"] + 1
        # Other counts before may make the same change.
        assert figures(body) != figures(before) or body.get("change") is not None, "published twice"
        last[key] = body
    if not quiet:
        return
    (known,) = await scorer.query("SELECT last_day FROM publisher")
    assert {key: figures(body) for key, body in last.items()} == await expected_scores(scorer, known.last_day)


# "at" and "sequence" differ in any case; the counts before are seen in the change only.
FIGURES = ("n", "promoters", "passives", "detractors", "nps", "low", "high", "delivered", "response_rate", "change")


def figures(body: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(body.get(name) for name in FIGURES)


async def expected_scores(scorer: Scorer, last_day: date) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """Of every key that has something to show, and of those that had and were published."""
    cells = await stored(scorer)
    segments = {
        row.id: f"{row.dimension}:{row.value}" if row.id else "everybody"
        for row in await scorer.query("SELECT id, dimension, value FROM segments")
    }
    campaigns = {row.id: row.name for row in await scorer.query("SELECT id, name FROM campaigns")}
    keys = {
        (row.segment_id, row.campaign_id, row.window_days)
        for row in await scorer.query("SELECT segment_id, campaign_id, window_days FROM scores")
    }
    for segment_id, campaign_id, _ in cells:
        for counted_under in (-1, campaign_id):
            if counted_under == -1 or campaigns[campaign_id] not in ("", "*"):
                keys |= {(segment_id, counted_under, length or 0) for length in WINDOW_DAYS.values()}
    names = {length or 0: name for name, length in WINDOW_DAYS.items()}
    expected: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    published = {
        (row.segment_id, row.campaign_id, row.window_days)
        for row in await scorer.query("SELECT segment_id, campaign_id, window_days FROM scores")
    }
    for segment_id, campaign_id, length in keys:
        now = total(cells, segment_id, campaign_id, window(last_day, length or None))
        before = total(cells, segment_id, campaign_id, window(last_day, length, back=1))[:3] if length else None
        key = segment_id, campaign_id, length
        if not any(now) and key not in published:
            continue
        found = window_score(sums_of(now), before=None if before is None else sums_of((*before, 0, 0)), minimum=10)
        campaign = "*" if campaign_id == -1 else campaigns[campaign_id]
        expected[campaign, names[length], segments[segment_id]] = (
            now[0] + now[1] + now[2],
            *now[:3],
            found.score.nps,
            found.score.low,
            found.score.high,
            now[3],
            found.response_rate,
            found.change.points if found.change else None,
        )
    return expected


def sums_of(cell: Sequence[int]) -> Sums:
    counts = Counts(promoters=cell[0], passives=cell[1], detractors=cell[2])
    return Sums(counts, delivered=cell[3], answered=cell[4])


@pytest_asyncio.fixture(loop_scope="session")
async def world(start_scorer: StartScorer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """In which a walk has many slices, and what waits does not fit in one publication."""
    monkeypatch.setattr(day_counts_actions, "_SEGMENTS_AT_ONCE", 2)
    monkeypatch.setattr(day_counts_actions, "_SEGMENTS_SUMMED_UP_AT_ONCE", 1)
    monkeypatch.setattr(scores_actions, "_AT_ONCE", 2)
    found = World([await start_scorer(), await start_scorer()])
    yield found
    await found.close(commit=False)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=3, max_size=25))
async def test_exact_at_every_commit(world: World, steps: list[tuple[str, int, Any]]) -> None:
    await world.begin()
    scorer = world.scorers[0]
    for step in steps:
        await world.take(*step)
        await check_counts(scorer)
        await check_sums(scorer)
    await world.close(commit=True)
    await check_published(scorer, quiet=False)
    for _ in range(2):
        await scorer.publish()
        await check_counts(scorer)
        await check_sums(scorer)
        await check_published(scorer, quiet=True)
    (left,) = await scorer.query(
        """
        SELECT (SELECT count(*) FROM day_changes) AS changes, walked_to,
               (SELECT count(*) FROM window_sums WHERE waiting_since IS NOT NULL) AS waiting
        FROM publisher
        """
    )
    assert (left.changes, left.walked_to, left.waiting) == (0, None, 0)
