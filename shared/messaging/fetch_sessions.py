"""Fetch sessions for Kafka's client (KIP-227): the broker remembers what is fetched, and is told only what changes.

aiokafka 0.14 names every partition in every fetch, and the broker answers for every one. That costs a consumer of two
dozen partitions more processor time than the records do, while few of them have any. With a session a fetch names only
the partitions whose position has changed since the one before, and the broker answers for those that have news.
"""

from typing import Any

from aiokafka.errors import for_code
from aiokafka.protocol.fetch import FetchRequest

# The version that is spoken to any broker since Kafka 2.3.
_VERSION = 11
_NO_SESSION = 0
_FIRST_EPOCH = 0
_LAST_EPOCH = 2**31 - 1

Fetched = dict[tuple[str, int], tuple[int, int]]
"""By topic and partition: from which offset, and at most how many bytes."""


class FetchSessions:
    """Stands between aiokafka's fetcher and its client; everything but fetches is passed on as it is."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._sessions: dict[int, _Session] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any, **options: Any) -> Any:
        """As the client's ``send``. Raises what that raises, and the broker's error about the fetch as a whole."""
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request, **options)
        session = self._sessions.setdefault(node_id, _Session())
        known = session.known is not None
        asked = session.ask(request)
        try:
            response = await self._client.send(node_id, asked, **options)
        except BaseException:
            # Nobody knows whether the broker has seen it.
            session.forget()
            raise
        if error := getattr(response, "error_code", 0):
            session.forget()
            if known:
                # It has forgotten the session, such as after a restart.
                return await self.send(node_id, request, **options)
            raise for_code(error)
        session.take(getattr(response, "session_id", _NO_SESSION), asked.wanted)
        return response


class _Session:
    """What one broker remembers; ``known`` is None if it is to be told everything."""

    def __init__(self) -> None:
        self.known: Fetched | None = None
        self._id = _NO_SESSION
        self._epoch = _FIRST_EPOCH

    def ask(self, request: FetchRequest) -> "_Asked":
        wanted: Fetched = {
            (topic, partition): (offset, most)
            for topic, partitions in request.topics
            for partition, offset, most in partitions
        }
        known = self.known or {}
        changed = {place: each for place, each in wanted.items() if known.get(place) != each}
        return _Asked(
            request, self._id, self._epoch, wanted=wanted, changed=changed, forgotten=list(known.keys() - wanted.keys())
        )

    def take(self, session_id: int, wanted: Fetched) -> None:
        if session_id == _NO_SESSION:  # the broker has no room for another one
            self._id, self.known = _NO_SESSION, None
            return
        self._id, self.known = session_id, wanted
        self._epoch = self._epoch + 1 if self._epoch < _LAST_EPOCH else 1

    def forget(self) -> None:
        """The next fetch ends the session, if there is one, and begins another."""
        self._epoch, self.known = _FIRST_EPOCH, None


class _Asked(FetchRequest):  # type: ignore[misc]  # aiokafka has no types
    def __init__(
        self,
        request: Any,
        session_id: int,
        epoch: int,
        *,
        wanted: Fetched,
        changed: Fetched,
        forgotten: list[tuple[str, int]],
    ) -> None:
        super().__init__(
            request._max_wait_ms,  # noqa: SLF001  # it tells nobody
            request._min_bytes,  # noqa: SLF001  # likewise
            request._max_bytes,  # noqa: SLF001  # likewise
            request._isolation_level,  # noqa: SLF001  # likewise
            request.topics,
            request._rack_id,  # noqa: SLF001  # likewise
        )
        self.wanted = wanted
        self._session = session_id, epoch
        self._changed = changed
        self._forgotten = forgotten

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class.API_VERSION != _VERSION:
            return super().build(request_struct_class)
        changed: dict[str, list[tuple[int, int, int, int, int]]] = {}
        for (topic, partition), (offset, most) in self._changed.items():
            changed.setdefault(topic, []).append((partition, -1, offset, -1, most))
        forgotten: dict[str, list[int]] = {}
        for topic, partition in self._forgotten:
            forgotten.setdefault(topic, []).append(partition)
        return request_struct_class(
            -1,
            self._max_wait_ms,
            self._min_bytes,
            self._max_bytes,
            self._isolation_level,
            *self._session,
            list(changed.items()),
            list(forgotten.items()),
            self._rack_id,
        )
