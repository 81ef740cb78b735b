"""Who of the messages that wait for a connection goes next."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from shared.mail.connection import Connection
from shared.mail.message import Email
from shared.transmission import MayBegin


@dataclass(slots=True, eq=False)
class Turn:
    """A message that waits for a connection, or has one.

    ``client`` is its connection, ``announced`` if its envelope was sent on it behind another message's content;
    ``following`` is the message whose envelope was sent on it behind this one's.
    """

    email: Email
    may_begin: MayBegin
    client: Connection | None = None
    announced: bool = False
    following: "Turn | None" = None
    _given: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._given.cancelled()

    def give(self) -> None:
        self._given.set_result(None)

    async def wait(self) -> None:
        await self._given


class Turns:
    """Up to ``most`` messages have a turn at once; the others wait, first come, first served."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[Turn] = deque()

    async def wait_for(self, turn: Turn) -> None:
        """Waits until the message has a turn, and perhaps a connection on which it was announced."""
        if self._free:
            self._free -= 1
            return
        self._waiting.append(turn)
        try:
            await turn.wait()
        except asyncio.CancelledError:
            if not turn.is_given_up:
                if turn.client is not None:
                    turn.client.close()
                self.pass_on(turn)
            raise

    def pass_on(self, turn: Turn) -> None:
        """Gives the turn of a message that has ended to the next, with its connection if that was announced on it."""
        following, turn.following = turn.following, None
        if following is not None and not following.is_given_up:
            following.client, following.announced = turn.client, True
            following.give()
            return
        if following is not None and turn.client is not None:
            turn.client.close()
        self._free += 1
        self._give()

    def next_to_announce(self) -> Turn | None:
        """The next message, which no longer waits for just any turn; None when there is none that may begin."""
        while self._waiting:
            turn = self._waiting[0]
            if not turn.is_given_up and not turn.may_begin(0):
                return None
            self._waiting.popleft()
            if not turn.is_given_up:
                return turn
        return None

    def take_back(self, turn: Turn) -> None:
        """Lets a message that was announced wait for any turn again, before all others."""
        self._waiting.appendleft(turn)
        self._give()

    def _give(self) -> None:
        while self._free and self._waiting:
            turn = self._waiting.popleft()
            if not turn.is_given_up:
                self._free -= 1
                turn.give()
