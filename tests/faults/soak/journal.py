"""What the driver did, and what was acknowledged: one JSON object a line, on disk as it happens.

Each entry has a `kind`, and `at`, the product's time when it was written (an ISO text in UTC). `begun_at` is the time
before a request was first sent: whatever the product did about it, it did at or after that, and what was acknowledged
it had done by `at`.

- `event`, an order event on its topic: `id`, `type`, `order_id`, `customer_id`, `body`, and `acceptable`, whether the
  contract lets it in
- `answered`, a score confirmed on a survey's page: `send_id`, `score`, `comment`, `answer_id`, `revision`, `begun_at`
- `reported`, a score posted by the shop's backend, by one of several requests with one key: `key`, `score`, `segments`,
  `answer_id`, `revision`, `begun_at`
- `unsubscribed`, by the link of an email: `send_id`, `address`, `begun_at`
- `erased`: `customer_id`, `address`, `order_ids`, `begun_at`
- `seen`, a record of `customers.preferences`, as somebody outside reads them: `key`, `type`
- `poison`, a record nobody can read: `topic`, `key`, `sha256` of its value's first 900,000 bytes (null: no value)
- `routing`, replaced rules: `queues`, from the tier of a detractor to its queue, `begun_at`
- `campaign`, another version: `version`
- `fault`: its `name`, `target` and `seconds`, and `real`, the seconds since the start
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Journal:
    """Appends to a file. ``now`` is the product's clock."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._now = now
        self.counts: dict[str, int] = {}
        """Entries by kind."""

    def now(self) -> str:
        return self._now().isoformat()

    def write(self, kind: str, **fields: Any) -> None:
        self._file.write(json.dumps({"kind": kind, "at": self.now(), **fields}) + "\n")
        self._file.flush()
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterator[Entry]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
