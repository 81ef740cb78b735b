"""Compares the values of a dimension."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.comparisons import NOTHING_COMPARED, Comparison, ValuesPage, compare
from services.scorer.domain.score_query import ScoreQuery
from services.scorer.queries.selections import selection_of, sums_of, values_of


async def comparison(connection: AsyncConnection, query: ScoreQuery, page: ValuesPage, *, dimension: str) -> Comparison:
    """A page of the values of a dimension within the query's answers, best score first, those held back last."""
    selection = await selection_of(connection, query)
    if selection is None:
        return NOTHING_COMPARED
    values = await values_of(connection, selection, query.days, page, dimension=dimension)
    everybody = (await sums_of(connection, selection, [query.days]))[0].counts
    return compare(dimension, values, everybody, minimum=page.minimum)
