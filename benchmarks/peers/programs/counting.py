"""What the Python programs share: where they work, an answer from its bytes, and what it changes in the counts."""

import os
from pathlib import Path
from typing import Any

import orjson

SERVERS = os.environ["PEER_KAFKA"]
TOPIC = os.environ["PEER_TOPIC"]
OUTPUT = os.environ["PEER_OUTPUT"]
"""A compacted topic for counts: by segment and day, a JSON list of promoters, passives and detractors."""
NAME = os.environ["PEER_NAME"]
"""Of the consumer group, and of topics that belong to the program."""
STATE = Path(os.environ["PEER_STATE"])
PARTITIONS = int(os.environ["PEER_PARTITIONS"])
SESSION_MILLISECONDS = int(os.environ["PEER_SESSION_MILLISECONDS"])
"""How long the broker waits for a member that was killed."""

Answer = list[Any]
"""Revision, day, group (0 promoter, 1 passive, 2 detractor) and segments; a list, to survive JSON."""

Changes = dict[str, list[int]]
"""By segment and day, joined by `|`: what to add to promoters, passives and detractors."""

_BEGUN = STATE / "begun"
_begun = _BEGUN.exists()


def answer_in(value: bytes) -> Answer:
    return answer_of(orjson.loads(value))


def answer_of(body: dict[str, Any]) -> Answer:
    """Of a decoded record. The first call tells the benchmark that counting has begun."""
    if not _begun:
        _begin()
    score = body["score"]
    group = 0 if score > 8 else 1 if score > 6 else 2
    segments = ["everybody", *[f"{dimension}:{value}" for dimension, value in body["segments"].items()]]
    return [body["revision"], body["answered_at"][:10], group, segments]


def changes(before: Answer | None, after: Answer) -> Changes:
    """What the answer adds, and takes away where it was counted before. Empty for one that is known already."""
    changed: Changes = {}
    if before is not None:
        if before[0] >= after[0]:
            return changed
        for segment in before[3]:
            changed[f"{segment}|{before[1]}"] = [-(group == before[2]) for group in range(3)]
    for segment in after[3]:
        changed.setdefault(f"{segment}|{after[1]}", [0, 0, 0])[after[2]] += 1
    return changed


def _begin() -> None:
    global _begun  # the cheapest way to ask for every answer
    _begun = True
    _BEGUN.touch()
