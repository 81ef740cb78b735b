"""``/v1/sample-size``: how many answers are needed for a margin of error."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.scorer.api.parameters import QueryBody, query_fields, score_query
from services.scorer.domain.score_query import ScoreQuery
from services.scorer.queries.scores import score_of
from services.scorer.settings import ScorerSettings
from shared.nps import CONFIDENCE, LARGEST_VARIANCE, adjusted_variance, sample_size
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.parameters import known_parameters
from shared.web.problems import declared


class SampleSizeBody(QueryBody):
    """``n`` answers give ± ``margin`` points at ``confidence``; ``have`` is the number in the window so far."""

    n: int
    margin: float
    confidence: float
    variance: float
    variance_from: str
    population: int | None
    have: int


def routes(runtime: Runtime[ScorerSettings]) -> APIRouter:
    router = APIRouter(
        prefix="/v1/sample-size",
        tags=["scores"],
        dependencies=[Depends(require("scores:read")), Depends(known_parameters)],
        responses=declared(401, 403),
    )
    asked = Depends(score_query(runtime))

    @router.get("")
    async def get_sample_size(
        query: Annotated[ScoreQuery, asked],
        margin: Annotated[float, Query(ge=0.01, le=100, description="The desired margin of error, ± points.")] = 5,
        population: Annotated[int | None, Query(ge=1, description="The total number of customers.")] = None,
    ) -> SampleSizeBody:
        """How many answers are needed for a margin of error, from the variance of the answers so far (of their adjusted
        shares: ten promoters of ten are not certainty), or from the largest possible variance while there are too
        few."""
        async with runtime.read_only() as connection:
            found = await score_of(connection, query, minimum=runtime.settings.minimum_answers)
        counts = found.score.counts
        measured = not found.held_back
        v = adjusted_variance(counts) if measured else LARGEST_VARIANCE
        return SampleSizeBody(
            **query_fields(query),
            n=sample_size(margin, variance_of_one=v, population=population),
            margin=margin,
            confidence=CONFIDENCE,
            variance=v,
            variance_from="answers" if measured else "largest possible",
            population=population,
            have=counts.n,
        )

    return router
