"""The SQL that sums counts over days, shared by the two tables they are read from.

A source is a SELECT of ``day, promoters, passives, detractors, delivered, answered``, limited to the days after
``:earliest`` up to ``:latest``.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import CursorResult, TextClause, text

from services.scorer.domain.comparisons import Values, ValuesPage
from services.scorer.domain.scores import Sums
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
    """A row for each day on which anything was counted."""
    return text(
        f"""
        SELECT day, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors,
               sum(delivered) AS delivered, sum(answered) AS answered
        FROM ({source}) AS counted
        GROUP BY day
        """  # noqa: S608  # the source is a constant of this folder
    )


def values_over(source: str) -> TextClause:
    """A page of values, best score first, those with fewer than ``:minimum`` answers last, then those at both ends of
    what is compared. There is always a row, if only for the numbers.

    ``source`` is a SELECT of ``value, promoters, passives, detractors``, a row per value. Of these, the ``:most`` with
    the most answers are compared; all if that is NULL. The page is one of these, or with ``:find`` of whatever matches.
    """
    return text(
        f"""
        WITH counted AS MATERIALIZED (
            SELECT value, promoters, passives, detractors, promoters + passives + detractors AS n,
                   promoters + passives + detractors < :minimum AS held_back,
                   CAST(promoters - detractors AS float8)
                   / NULLIF(promoters + passives + detractors, 0) AS score
            FROM ({source}) AS source
            WHERE promoters + passives + detractors > 0
        ), compared AS MATERIALIZED (
            SELECT * FROM counted ORDER BY n DESC, value LIMIT :most
        ), listed AS MATERIALIZED (
            SELECT * FROM compared WHERE CAST(:find AS text) IS NULL
            UNION ALL
            SELECT * FROM counted WHERE value ILIKE CAST(:find AS text)
        ), numbers AS (
            SELECT (SELECT count(*) FROM counted) AS total, (SELECT count(*) FROM listed) AS listed,
                   (SELECT count(*) FROM compared) AS compared,
                   (SELECT count(*) FROM compared WHERE NOT held_back) AS tested
        ), ranked AS (
            SELECT *, row_number() OVER (ORDER BY held_back, score DESC, value) AS place FROM compared WHERE :ends > 0
        ), shown AS (
            (SELECT false AS at_end, * FROM listed ORDER BY held_back, score DESC, value LIMIT :limit OFFSET :start)
            UNION ALL
            SELECT true, value, promoters, passives, detractors, n, held_back, score
            FROM ranked, numbers
            WHERE place <= CASE WHEN tested <= 2 * :ends THEN 2 * :ends ELSE :ends END
               OR (place > tested - :ends AND place <= tested)
        )
        SELECT value, promoters, passives, detractors, at_end, total, listed, compared, tested
        FROM numbers LEFT JOIN shown ON true
        ORDER BY at_end, held_back, score DESC, value
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


def sums_by_day(rows: Iterable[Any]) -> dict[date, Sums]:
    """``delivered`` is NULL where it is unknown."""
    return {
        day: Sums(
            Counts(promoters=promoters, passives=passives, detractors=detractors),
            delivered=delivered,
            answered=answered,
        )
        for day, promoters, passives, detractors, delivered, answered in rows
    }


def values_of(rows: CursorResult[Any]) -> Values:
    found = rows.all()
    numbers = found[0]
    return Values(
        counts=[(row.value, counts_of(row)) for row in found if row.at_end is False],
        ends=[(row.value, counts_of(row)) for row in found if row.at_end],
        total=numbers.total,
        listed=numbers.listed,
        compared=numbers.compared,
        tested=numbers.tested,
    )


def page_arguments(page: ValuesPage) -> dict[str, Any]:
    return {
        "minimum": page.minimum,
        "most": page.most,
        "start": page.start,
        "limit": page.limit,
        "find": None if page.find is None else pattern_containing(page.find),
        "ends": page.ends,
    }


def pattern_containing(text: str) -> str:
    """The pattern of LIKE for texts that contain this one."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
