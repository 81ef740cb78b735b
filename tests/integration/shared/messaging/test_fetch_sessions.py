"""A fetch names what has changed since the one before, and everything when the broker may have forgotten the rest."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import FetchSessionIdNotFound, KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v7, FetchRequest_v11, FetchResponse_v11

from shared.messaging.fetch_sessions import FetchSessions
from tests.integration.shared.conftest import Bench, running
from tests.kit.eventually import eventually

SESSION = 7
NO_SUCH_SESSION = 70


@dataclass
class Client:
    """Answers every fetch with these, an error code and a session's id each, then with the session."""

    answers: list[tuple[int, int] | Exception] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    cluster: str = "the cluster"
    speaks: Any = FetchRequest_v11

    async def send(self, _node_id: int, request: Any) -> Any:
        self.asked.append(request.build(self.speaks))
        answer = self.answers.pop(0) if self.answers else (0, SESSION)
        if isinstance(answer, Exception):
            raise answer
        return FetchResponse_v11(0, *answer, [])

    def last(self) -> tuple[int, int, dict[tuple[str, int], int], set[tuple[str, int]]]:
        """Session, epoch, the offsets named, and what the broker is to forget."""
        asked = self.asked[-1]
        named = {(topic, place): offset for topic, places in asked.topics for place, _, offset, _, _ in places}
        forgotten = {(topic, place) for topic, places in asked.forgotten_topics_data for place in places}
        return asked.session_id, asked.session_epoch, named, forgotten


def fetch(**offsets: int) -> FetchRequest:
    """Of partition 0 of each topic."""
    return FetchRequest(500, 1, 1_000, 1, [(topic, [(0, offset, 100)]) for topic, offset in offsets.items()])


async def test_only_what_changed_is_named() -> None:
    client = Client()
    sessions = FetchSessions(client)
    await sessions.send(1, fetch(a=10, b=20))
    assert client.last() == (0, 0, {("a", 0): 10, ("b", 0): 20}, set())
    await sessions.send(1, fetch(a=10, b=20))
    assert client.last() == (SESSION, 1, {}, set())
    await sessions.send(1, fetch(a=15, c=30))
    assert client.last() == (SESSION, 2, {("a", 0): 15, ("c", 0): 30}, {("b", 0)})
    await sessions.send(1, fetch(a=15, b=20, c=30))
    assert client.last() == (SESSION, 3, {("b", 0): 20}, set())


async def test_each_broker_has_a_session_of_its_own() -> None:
    client = Client()
    sessions = FetchSessions(client)
    await sessions.send(1, fetch(a=10))
    await sessions.send(2, fetch(b=20))
    assert client.last() == (0, 0, {("b", 0): 20}, set())


async def test_a_broker_that_has_forgotten_the_session_is_told_everything_at_once() -> None:
    client = Client(answers=[(0, SESSION), (NO_SUCH_SESSION, 0), (0, 8)])
    sessions = FetchSessions(client)
    await sessions.send(1, fetch(a=10, b=20))
    answered = await sessions.send(1, fetch(a=11, b=20))
    assert answered.session_id == 8
    assert client.last()[1:3] == (0, {("a", 0): 11, ("b", 0): 20})
    await sessions.send(1, fetch(a=11, b=20))
    assert client.last() == (8, 1, {}, set())


async def test_after_a_failure_everything_is_named() -> None:
    client = Client(answers=[(0, SESSION), KafkaConnectionError()])
    sessions = FetchSessions(client)
    await sessions.send(1, fetch(a=10))
    with pytest.raises(KafkaConnectionError):
        await sessions.send(1, fetch(a=11))
    await sessions.send(1, fetch(a=11))
    assert client.last()[1:3] == (0, {("a", 0): 11})


async def test_an_error_about_a_whole_fetch_is_raised() -> None:
    sessions = FetchSessions(Client(answers=[(NO_SUCH_SESSION, 0)]))
    with pytest.raises(FetchSessionIdNotFound):
        await sessions.send(1, fetch(a=10))


async def test_a_broker_without_room_for_a_session_is_told_everything_each_time() -> None:
    client = Client(answers=[(0, 0), (0, 0)])
    sessions = FetchSessions(client)
    for _ in range(2):
        await sessions.send(1, fetch(a=10))
        assert client.last() == (0, 0, {("a", 0): 10}, set())


async def test_to_a_broker_that_speaks_another_version_nothing_is_different() -> None:
    client = Client(answers=[(0, 0), (0, 0)], speaks=FetchRequest_v7)
    sessions = FetchSessions(client)
    for _ in range(2):
        await sessions.send(1, fetch(a=10))
        assert client.asked[-1].encode() == fetch(a=10).build(FetchRequest_v7).encode()


async def test_everything_else_is_the_client_s() -> None:
    assert FetchSessions(Client()).cluster == "the cluster"


async def test_a_consumer_in_a_session_handles_everything_once(bench: Bench) -> None:
    """One partition after another, so that each fetch finds something in another one."""
    async with running(bench.consumer()):
        for number in range(30):
            await bench.publish([number], partition=number % 6)

        async def handled() -> dict[str, int]:
            return await bench.counted()

        everything = {f"event-{number}": 1 for number in range(30)}
        await eventually(handled, "all to be handled", wanted=lambda found: found == everything)
