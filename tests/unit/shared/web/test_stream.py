"""A live stream's listeners."""

from typing import NamedTuple

from shared.web.stream import Listener, Stream


class Update(NamedTuple):
    change: int
    key: str = "everybody"


def stream_of(limit: int) -> Stream[Update]:
    return Stream(limit)


def enter(stream: Stream[Update], after: int = 0) -> Listener[Update]:
    listener = stream.enter(lambda _update: True, after=after)
    assert listener is not None
    return listener


def test_one_listener_too_many_is_refused_until_another_leaves() -> None:
    stream = stream_of(3)
    entered = [stream.enter(lambda _update: True, after=0) for _ in range(8)]
    listeners = [listener for listener in entered if listener is not None]
    assert len(listeners) == 3
    stream.leave(listeners[0])
    assert stream.enter(lambda _update: True, after=0) is not None


def test_the_stream_is_read_from_where_the_listener_furthest_behind_stands() -> None:
    assert stream_of(3).after is None
    stream = stream_of(3)
    enter(stream, after=7)
    enter(stream, after=4)
    assert stream.after == 4
    stream.offer(Update(9))
    assert stream.after == 9


def test_only_what_is_wanted_and_new_is_pending() -> None:
    listener: Listener[Update] = Listener(lambda one: one.key == "country:BR", after=4)
    listener.offer(Update(4, "country:BR"))
    listener.offer(Update(5, "country:NO"))
    assert not listener.pending and listener.after == 5
    listener.offer(Update(6, "country:BR"))
    assert [one.change for one in listener.pending.values()] == [6]


def test_a_slow_listener_skips_to_the_newest_of_each_key_in_the_order_of_changes() -> None:
    listener: Listener[Update] = Listener(lambda _update: True, after=0)
    for change, key in enumerate(["country:BR", "country:NO", "country:BR"], start=1):
        listener.offer(Update(change, key))
    assert [(one.change, one.key) for one in listener.pending.values()] == [(2, "country:NO"), (3, "country:BR")]


def test_who_reads_nothing_costs_no_more_than_so_many_updates_and_is_let_go() -> None:
    listener = enter(stream_of(3))
    most = 0
    for number in range(3_000):
        listener.offer(Update(number + 1, f"country:{number}"))
        most = max(most, len(listener.pending))
    assert most <= 2_001
    assert listener.ended and not listener.pending


async def test_updates_end_with_the_stream() -> None:
    stream = stream_of(3)
    listener = enter(stream)
    updates = listener.updates()
    stream.offer(Update(1))
    assert await anext(updates) == Update(1)
    await stream.close()
    assert [rest async for rest in updates] == []
    assert stream.enter(lambda _update: True, after=0) is None
