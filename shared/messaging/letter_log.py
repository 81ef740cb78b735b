"""What the log says of dead letters: a line each, but never more than a few a minute and topic."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from shared.messaging.records import DeadLetter

log = structlog.get_logger()

LETTERS_A_MINUTE = 10
"""Of a topic; a line then says how many more there were."""
_SECONDS = 60.0
_LONGEST_EVENT_ID = 100


class LetterLog:
    """The lines of one consumer. They hold nothing of a record but where it was and its ``ce_id``."""

    def __init__(self, consumer: str, now: Callable[[], float] = time.monotonic) -> None:
        self._consumer = consumer
        self._now = now
        self._since = now()
        self._letters: Counter[str] = Counter()

    def tell(self, letters: Sequence[DeadLetter]) -> None:
        """These were set aside, and committed."""
        self.tell_rest()
        for letter in letters:
            self._letters[letter.topic] += 1
            if self._letters[letter.topic] <= LETTERS_A_MINUTE:
                log.warning(
                    "a record is set aside as a dead letter; `hearback letters show` shows it",
                    letter=f"{self._consumer}/{letter.topic}/{letter.partition}/{letter.offset}",
                    topic=letter.topic,
                    partition=letter.partition,
                    offset=letter.offset,
                    ce_id=(letter.event_id or "")[:_LONGEST_EVENT_ID],
                    reason=letter.short_reason,
                )

    def tell_rest(self) -> None:
        """Once the minute is over, says how many more there were; to be called now and then."""
        if self._now() - self._since >= _SECONDS:
            self.close()

    def close(self) -> None:
        """Says how many more there were."""
        for topic, letters in self._letters.items():
            if letters > LETTERS_A_MINUTE:
                log.warning(
                    "more records were set aside as dead letters; `hearback letters list` lists all",
                    topic=topic,
                    records=letters - LETTERS_A_MINUTE,
                )
        self._letters.clear()
        self._since = self._now()
