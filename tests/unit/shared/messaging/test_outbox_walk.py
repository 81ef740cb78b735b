"""The walk over the outbox leaves behind what is published, and nothing that may still be committed."""

import random

from shared.messaging.outbox_walk import BEGINNING, OutboxWalk, Read

SLOW = 1.0
"""Seconds a read from the beginning took: too slow to do it each time."""


def walk_of(*reads: tuple[list[int], int, int], left: tuple[int, ...] = ()) -> OutboxWalk:
    """After reads at one moment, each the numbers found, xmin and xmax."""
    walk = OutboxWalk(now=lambda: 0.0)
    for ids, xmin, xmax in reads:
        walk.advance(Read(walk.next(), ids, False, xmin, xmax, SLOW), left=left)
    return walk


def test_with_nobody_at_work_what_was_published_is_passed_at_once() -> None:
    assert walk_of(([1, 2, 3], 500, 500)).next() == 3


def test_while_somebody_is_at_work_nothing_is_passed() -> None:
    assert walk_of(([2, 3], 499, 500)).next() == BEGINNING


def test_what_was_seen_before_is_passed_when_all_who_were_at_work_have_ended() -> None:
    """The second read shows what they left: it would have found number 1."""
    assert walk_of(([2, 3], 499, 500), ([4], 500, 501)).next() == 3


def test_a_transaction_that_began_later_does_not_matter() -> None:
    assert walk_of(([2, 3], 499, 510), ([8], 505, 520), ([9], 510, 530)).next() == 3


def test_what_is_left_is_read_again() -> None:
    assert walk_of(([5, 6, 7], 500, 500), left=(6,)).next() == 5


def test_of_a_full_read_only_what_it_reached_is_passed() -> None:
    walk = OutboxWalk(now=lambda: 0.0)
    walk.advance(Read(BEGINNING, [10, 11], False, 500, 500, SLOW), left=())
    assert walk.next() == 11
    walk.restart()
    # Rows have come back under old numbers, more of them than one read brings.
    walk.advance(Read(walk.next(), [2, 3], True, 500, 500, SLOW), left=())
    assert walk.next() == 3


def test_an_empty_read_changes_nothing() -> None:
    walk = walk_of(([1, 2, 3], 500, 500))
    walk.advance(Read(3, [], False, 0, 0, 0.001), left=())
    assert walk.next() == 3


def test_while_it_is_quick_every_read_is_from_the_beginning() -> None:
    now = 0.0
    walk = OutboxWalk(now=lambda: now)
    walk.advance(Read(BEGINNING, [1, 2, 3], False, 500, 500, 0.0001), left=())
    now += 0.003
    assert walk.next() == BEGINNING


def test_when_it_is_slow_it_is_read_from_the_beginning_now_and_then() -> None:
    now = 0.0
    walk = OutboxWalk(now=lambda: now)
    walk.advance(Read(BEGINNING, [1, 2, 3], False, 500, 500, 0.5), left=())
    now += 9
    assert walk.next() == 3
    now += 2
    assert walk.next() == BEGINNING


def test_an_endless_transaction_elsewhere_fills_no_memory() -> None:
    walk = walk_of(*(([number], 1, 2 + number) for number in range(1, 3_000)))
    assert walk.next() == BEGINNING
    walk.advance(Read(BEGINNING, [3_000], False, 5_000, 5_000, SLOW), left=())
    assert walk.next() == 3_000


def test_whatever_commits_in_whatever_order_is_read_without_reading_from_the_beginning_again() -> None:
    """A model of PostgreSQL: transactions begin, number their rows, and commit at random moments."""
    for seed in range(100):
        _Model(random.Random(seed)).run()


class _Model:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._next_transaction = 100
        self._next_row = 1
        self._at_work: dict[int, list[int]] = {}
        self._visible: set[int] = set()
        self._published: list[int] = []
        self._walk = OutboxWalk(now=lambda: 0.0)

    def run(self) -> None:
        for _ in range(300):
            self._chance.choice([self._begin, self._write, self._write, self._commit, self._read])()
        while self._at_work:
            self._commit()
        for _ in range(1_000):
            if self._visible:
                self._read()
        assert sorted(self._published) == list(range(1, self._next_row))

    def _begin(self) -> None:
        if len(self._at_work) < 5:
            self._at_work[self._next_transaction] = []
            self._next_transaction += 1

    def _write(self) -> None:
        if self._at_work:
            self._at_work[self._chance.choice(list(self._at_work))].append(self._next_row)
            self._next_row += 1

    def _commit(self) -> None:
        if self._at_work:
            self._visible.update(self._at_work.pop(self._chance.choice(list(self._at_work))))

    def _read(self) -> None:
        after, most = self._walk.next(), self._chance.randint(1, 10)
        found = sorted(row for row in self._visible if row > after)[:most]
        left = {row for row in found if self._chance.random() < 0.2}
        self._published += [row for row in found if row not in left]
        self._visible.difference_update(set(found) - left)
        oldest = min(self._at_work, default=self._next_transaction)
        read = Read(after, found, len(found) == most, oldest, self._next_transaction, SLOW)
        self._walk.advance(read, left=left)
