"""The live stream's listeners, without a database."""

from services.scorer.queries.stream import Listener, ScoreUpdate, Stream


def update(change: int, segment: str = "everybody", body: str = "{}") -> ScoreUpdate:
    return ScoreUpdate(change=change, campaign="*", window="7d", segment=segment, body=body)


def enter(stream: Stream, after: int = 0) -> Listener:
    listener = stream.enter(lambda _update: True, after=after)
    assert listener is not None
    return listener


def test_an_update_is_read_from_what_was_published() -> None:
    body = '{"campaign":"*","window":"7d","segment":"country:BR","n":3}'
    assert ScoreUpdate.read(9, body) == ScoreUpdate(
        change=9, campaign="*", window="7d", segment="country:BR", body=body
    )


def test_one_listener_too_many_is_refused_until_another_leaves() -> None:
    stream = Stream(3)
    entered = [stream.enter(lambda _update: True, after=0) for _ in range(8)]
    listeners = [listener for listener in entered if listener is not None]
    assert len(listeners) == stream.listeners == 3
    stream.leave(listeners[0])
    assert stream.enter(lambda _update: True, after=0) is not None


def test_the_stream_is_read_from_where_the_listener_furthest_behind_stands() -> None:
    assert Stream(3).after is None
    stream = Stream(3)
    enter(stream, after=7)
    enter(stream, after=4)
    assert stream.after == 4
    stream.offer(update(9))
    assert stream.after == 9


def test_only_what_is_wanted_and_new_is_pending() -> None:
    listener = Listener(lambda one: one.segment == "country:BR", after=4)
    listener.offer(update(4, "country:BR"))
    listener.offer(update(5, "country:NO"))
    assert not listener.pending and listener.after == 5
    listener.offer(update(6, "country:BR"))
    assert [one.change for one in listener.pending.values()] == [6]


def test_a_slow_listener_skips_to_the_newest_of_each_key_in_the_order_of_changes() -> None:
    listener = Listener(lambda _update: True, after=0)
    for change, segment in enumerate(["country:BR", "country:NO", "country:BR"], start=1):
        listener.offer(update(change, segment))
    assert [(one.change, one.segment) for one in listener.pending.values()] == [(2, "country:NO"), (3, "country:BR")]


def test_who_reads_nothing_costs_no_more_than_so_many_updates_and_is_let_go() -> None:
    listener = enter(Stream(3))
    most = 0
    for number in range(3_000):
        listener.offer(update(number + 1, f"country:{number}"))
        most = max(most, len(listener.pending))
    assert most <= 2_001
    assert listener.ended and not listener.pending


async def test_updates_end_with_the_stream() -> None:
    stream = Stream(3)
    listener = enter(stream)
    updates = listener.updates()
    stream.offer(update(1))
    assert await anext(updates) == update(1)
    await stream.close()
    assert [rest async for rest in updates] == []
    assert stream.enter(lambda _update: True, after=0) is None
