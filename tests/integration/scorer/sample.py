"""Answers to query, and their sums computed one by one."""

import random
from datetime import timedelta
from typing import Any

from shared.nps import Counts, group_of
from tests.integration.scorer.kit import START, Scorer, answer

COUNTRIES = ("BR", "NO", "KR")


async def fill(scorer: Scorer, number: int = 400) -> list[dict[str, Any]]:
    """Answers over the last 60 days, some in two categories, and their data."""
    rng = random.Random(5)
    given: list[dict[str, Any]] = [
        {
            "score": rng.choice([0, 6, 7, 9, 10]),
            "at": START - timedelta(days=rng.randrange(60)),
            "campaign": rng.choice(["service-nps", "product-nps"]),
            "segments": {
                "country": rng.choice(COUNTRIES),
                "category": rng.choice(["toys", "books", ["toys", "books"]]),
            },
        }
        for _ in range(number)
    ]
    await scorer.take(
        "surveys.answers",
        *(
            answer(str(at), one["score"], at=one["at"], campaign=one["campaign"], segments=one["segments"])
            for at, one in enumerate(given)
        ),
    )
    return given


def count(given: list[dict[str, Any]], days: int | None, end_days_ago: int = 0, **wanted: str) -> Counts:
    """Computed from each answer."""
    counts = dict.fromkeys(("promoter", "passive", "detractor"), 0)
    for one in given:
        age = (START.date() - one["at"].date()).days - end_days_ago
        fits = all(
            value in (carried if isinstance(carried := one["segments"][dimension], list) else [carried])
            for dimension, value in wanted.items()
            if dimension != "campaign"
        )
        if age >= 0 and (days is None or age < days) and fits and wanted.get("campaign") in (None, one["campaign"]):
            counts[group_of(one["score"])] += 1
    return Counts(promoters=counts["promoter"], passives=counts["passive"], detractors=counts["detractor"])


def shown(body: dict[str, Any]) -> Counts:
    return Counts(promoters=body["promoters"], passives=body["passives"], detractors=body["detractors"])
