"""The SQL that sums counts over days, shared by the two tables they are read from.

A source is a SELECT of ``day, promoters, passives, detractors, delivered, answered``, limited to the days after
``:earliest`` up to ``:latest``.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import CursorResult, TextClause, text

from services.scorer.domain.comparisons import Values, ValuesPage
from services.scorer.domain.windows import Days
from shared.nps import Counts


def sums_over(source: str) -> TextClause:
    """A row for each span of ``:after`` and ``:end``, in their order."""
    return text(
        f"""
        SELECT COALESCE(sum(promoters), 0) AS promoters, COALESCE(sum(passives), 0) AS passives,
               COALESCE(sum(detractors), 0) AS detractors, sum(delivered) AS delivered,
               COALESCE(sum(answered), 0) AS answered
        FROM unnest(CAST(:after AS date[]), CAST(:end AS date[])) WITH ORDINALITY AS span (after, end_day, position)
        LEFT JOIN (SELECT day, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors,
                          sum(delivered) AS delivered, sum(answered) AS answered
                   FROM ({source}) AS counted GROUP BY day) AS daily
               ON daily.day > span.after AND daily.day <= span.end_day
        GROUP BY span.position
        ORDER BY span.position
        """  # noqa: S608  # the source is a constant of this folder
    )


def daily_over(source: str) -> TextClause:
    """A row for each day with answers."""
    return text(
        f"""
        SELECT day, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors
        FROM ({source}) AS counted
        GROUP BY day
        HAVING sum(promoters) + sum(passives) + sum(detractors) > 0
        """  # noqa: S608  # the source is a constant of this folder
    )


def values_over(source: str) -> TextClause:
    """A page of values, best score first, those with fewer than ``:minimum`` answers last.

    ``source`` is a SELECT of ``value, promoters, passives, detractors``, a row per value. Of these, the ``:most`` with
    the most answers are compared; all if that is NULL.
    """
    return text(
        f"""
        WITH counted AS (
            SELECT value, promoters, passives, detractors, promoters + passives + detractors AS n
            FROM ({source}) AS source
        ), compared AS (
            SELECT *, count(*) OVER () AS total FROM counted WHERE n > 0 ORDER BY n DESC, value LIMIT :most
        )
        SELECT value, promoters, passives, detractors, total,
               count(*) FILTER (WHERE n >= :minimum) OVER () AS tested
        FROM compared
        ORDER BY n < :minimum, CAST(promoters - detractors AS float8) / n DESC, value
        LIMIT :limit OFFSET :start
        """  # noqa: S608  # the source is a constant of this folder
    )


def span_arguments(spans: Sequence[Days]) -> dict[str, Any]:
    return {
        "after": [span.after for span in spans],
        "end": [span.end for span in spans],
        "earliest": min(span.after for span in spans),
        "latest": max(span.end for span in spans),
    }


def counts_of(row: Any) -> Counts:
    """From a row with ``promoters``, ``passives`` and ``detractors``, which PostgreSQL sums as numeric."""
    return Counts(promoters=int(row.promoters), passives=int(row.passives), detractors=int(row.detractors))


def counts_by_day(rows: CursorResult[Any]) -> dict[date, Counts]:
    return {row.day: counts_of(row) for row in rows}


def values_of(rows: CursorResult[Any]) -> Values:
    found = rows.all()
    return Values(
        counts=[(row.value, counts_of(row)) for row in found],
        total=found[0].total if found else 0,
        tested=found[0].tested if found else 0,
    )


def page_arguments(page: ValuesPage) -> dict[str, Any]:
    return {"minimum": page.minimum, "most": page.most, "start": page.start, "limit": page.limit}
