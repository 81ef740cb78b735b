"""Compares the values of a dimension."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.comparisons import Compared, compare
from services.scorer.domain.score_query import ScoreQuery
from services.scorer.queries.selections import selection_of, sums_of, values_of

VALUES_COMPARED = 500
"""Maximum values compared; of more, those with the most answers are taken."""


async def comparison(connection: AsyncConnection, query: ScoreQuery, *, dimension: str, minimum: int) -> list[Compared]:
    """The values of a dimension within the query's answers, best score first, those held back last."""
    selection = await selection_of(connection, query)
    if selection is None:
        return []
    values = await values_of(connection, selection, query.days, dimension=dimension, limit=VALUES_COMPARED)
    everybody = (await sums_of(connection, selection, [query.days]))[0].counts
    return compare(dimension, values, everybody, minimum=minimum)
