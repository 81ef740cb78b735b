"""Answers as clients post them, prepared as requests for ``benchmarks.http_load``."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from benchmarks.http_load import request
from shared.nps import group_of

SCORES = (0, 3, 5, 6, 7, 8, 8, 9, 9, 10, 10, 10)
"""One in three is a detractor's."""
_COMMENTS = (None, None, "The wrapping was lovely.", "It came a week late, and nobody told me why.")
_COUNTRIES = ("BR", "NO", "DE", "US", "PT", "IN", "JP", "MX")
_CATEGORIES = ("toys", "books", "garden", "kitchen", "lamps", "shoes")
_CUSTOMERS = 50_000


@dataclass(frozen=True, slots=True)
class PostedAnswer:
    answer_id: str
    score: int
    body: bytes

    @property
    def is_detractor(self) -> bool:
        return group_of(self.score) == "detractor"


def posted_answers(count: int, *, seed: int) -> list[PostedAnswer]:
    """Answers with ids, customers and segments; the same for the same seed."""
    rng = random.Random(seed)
    return [_answer(rng, number) for number in range(count)]


def requests(answers: Sequence[PostedAnswer], api_key: str) -> Iterator[bytes]:
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    return (request("POST", "/v1/answers", headers, answer.body) for answer in answers)


def _answer(rng: random.Random, number: int) -> PostedAnswer:
    answer_id, score = str(UUID(int=rng.getrandbits(128), version=4)), SCORES[number % len(SCORES)]
    body = {
        "answer_id": answer_id,
        "customer_id": f"c-{rng.randrange(_CUSTOMERS)}",
        "score": score,
        "segments": {"country": rng.choice(_COUNTRIES), "category": rng.sample(_CATEGORIES, 2)},
    }
    comment = rng.choice(_COMMENTS)
    return PostedAnswer(answer_id, score, orjson.dumps(body if comment is None else {**body, "comment": comment}))
