"""What the live stream sends: a score each time it is published."""

from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreUpdate:
    """A published score. ``change`` orders updates; ``body`` is the JSON of a ``ScoreUpdated`` (contracts.scores)."""

    change: int
    campaign: str
    window: str
    segment: str
    body: str

    @classmethod
    def read(cls, change: int, body: str) -> "ScoreUpdate":
        score = orjson.loads(body)
        return cls(
            change=change, campaign=score["campaign"], window=score["window"], segment=score["segment"], body=body
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """The score this is about."""
        return self.campaign, self.window, self.segment
