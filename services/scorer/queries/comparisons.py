"""Compares the values of a dimension."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.comparisons import NOTHING_COMPARED, Comparison, ValuesPage, compare
from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.windows import Days
from services.scorer.queries.selections import Selection, selection_of, sums_of, values_of
from shared.nps import Counts


async def comparison(connection: AsyncConnection, query: ScoreQuery, page: ValuesPage, *, dimension: str) -> Comparison:
    """A page of the values of a dimension within the query's answers, best score first, those held back last."""
    selection = await selection_of(connection, query)
    if selection is None:
        return NOTHING_COMPARED
    everybody = (await sums_of(connection, selection, [query.days]))[0].counts
    return await comparison_within(connection, selection, query.days, page, everybody, dimension=dimension)


async def comparison_within(
    connection: AsyncConnection,
    selection: Selection,
    days: Days,
    page: ValuesPage,
    everybody: Counts,
    *,
    dimension: str,
) -> Comparison:
    """The same of a selection, whose answers on these days are ``everybody``."""
    values = await values_of(connection, selection, days, page, dimension=dimension)
    return compare(dimension, values, everybody, minimum=page.minimum)
