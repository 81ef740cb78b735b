"""The outcome of a replay compared with the expected one: who was surveyed, the answers, and the scores."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg
import httpx

from shared.contracts.identity import answer_id
from shared.nps import Counts, NetPromoterScore, net_promoter_score
from tools.audit.report import Check
from tools.replay.olist import PastOrder
from tools.replay.oracle import ExpectedSurvey, counts_by, total
from tools.replay.plan import CAMPAIGN, send_id_of

Dimension = Literal["delivery", "region"]
DIMENSIONS: tuple[Dimension, ...] = ("delivery", "region")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``scores`` are as served, by dimension and value; ``not_surveyed`` counts recorded answers about orders that were
    not surveyed, by the dispatcher's reason."""

    checks: Sequence[Check]
    everybody: NetPromoterScore
    scores: Mapping[str, Mapping[str, NetPromoterScore]]
    surveyed: int
    not_surveyed: dict[str, int] = field(default_factory=dict)

    @property
    def differences(self) -> int:
        return sum(check.differences for check in self.checks)


async def compare(
    orders: Sequence[PastOrder],
    surveys: Sequence[ExpectedSurvey],
    *,
    database_url: str,
    scorer_url: str,
    api_key: str,
) -> Outcome:
    """Compares the ledgers and the served scores with what is expected from the files alone."""
    connection = await asyncpg.connect(database_url, timeout=30)
    try:
        sent = await _sent(connection)
        bodies = await _answers(connection)
        reasons = await _reasons(connection)
    finally:
        await connection.close()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {api_key}"}, timeout=30) as client:
        everybody = await _served(client, scorer_url, "everybody")
        scores = {
            dimension: {
                value: await _served(client, scorer_url, f"{dimension}:{value}")
                for value in counts_by(surveys, dimension)
            }
            for dimension in DIMENSIONS
        }
    checks = [
        _surveyed_as_expected(surveys, sent),
        _answers_as_given(surveys, bodies),
        _scores_match_files(surveys, everybody, scores),
    ]
    surveyed_orders = {survey.order.order_id for survey in surveys}
    not_surveyed: Counter[str] = Counter()
    for order in orders:
        if order.answers and order.order_id not in surveyed_orders:
            not_surveyed[reasons.get(order.order_id, "no decision")] += len(order.answers)
    return Outcome(
        checks,
        net_promoter_score(everybody),
        {
            dimension: {value: net_promoter_score(counts) for value, counts in of.items()}
            for dimension, of in scores.items()
        },
        len(sent),
        dict(not_surveyed.most_common()),
    )


def _surveyed_as_expected(surveys: Sequence[ExpectedSurvey], sent: dict[str, str]) -> Check:
    check = Check("exactly the expected orders surveyed", 1)
    expected = {send_id_of(survey): survey.order.order_id for survey in surveys}
    for send_id in expected.keys() | sent.keys():
        check.expect_equal(f"survey {send_id}", expected=expected.get(send_id), found=sent.get(send_id))
    return check


def _answers_as_given(surveys: Sequence[ExpectedSurvey], bodies: dict[str, dict[str, Any]]) -> Check:
    """Compares every answer's score, segments and comment; comments are never printed."""
    check = Check("every answer recorded as given", 2)
    expected = {answer_id(send_id_of(survey)): survey for survey in surveys if survey.answers}
    for answer in expected.keys() | bodies.keys():
        survey, body = expected.get(answer), bodies.get(answer)
        if survey is None or body is None:
            check.expect_equal(f"answer {answer}", expected=survey is not None, found=body is not None)
            continue
        segments = body["segments"]
        check.expect_equal(
            f"answer {answer}",
            expected=(survey.final_score, survey.order.state, survey.delivery),
            found=(body["score"], segments.get("region"), segments.get("delivery")),
        )
        if survey.final_comment != body.get("comment"):
            check.add_difference(f"answer {answer}: its comment differs from the files")
    return check


def _scores_match_files(
    surveys: Sequence[ExpectedSurvey], everybody: Counts, scores: Mapping[Dimension, Mapping[str, Counts]]
) -> Check:
    check = Check("served scores match the files", 2)
    check.expect_equal("everybody", expected=total(surveys), found=everybody)
    for dimension in DIMENSIONS:
        for value, counts in counts_by(surveys, dimension).items():
            check.expect_equal(f"{dimension}:{value}", expected=counts, found=scores[dimension][value])
    return check


async def _sent(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    rows = await connection.fetch("SELECT send_id::text AS send_id, order_id FROM dispatcher.sends")
    return {row["send_id"]: row["order_id"] for row in rows}


async def _answers(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, dict[str, Any]]:
    rows = await connection.fetch("SELECT answer_id, body::text AS body FROM collector.answers")
    return {row["answer_id"]: json.loads(row["body"]) for row in rows}


async def _reasons(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    """Why an order was not surveyed: the last decision against it."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (order_id) order_id, outcome, reason FROM dispatcher.decisions
        WHERE outcome IN ('timer_cancelled', 'skipped', 'no_timer')
        ORDER BY order_id, position DESC
        """
    )
    return {row["order_id"]: f"{row['outcome']}, {row['reason']}" for row in rows}


async def _served(client: httpx.AsyncClient, url: str, segment: str) -> Counts:
    response = await client.get(f"{url}/v1/nps", params={"window": "all", "segment": segment, "campaign": CAMPAIGN})
    response.raise_for_status()
    body = response.json()
    return Counts(promoters=body["promoters"], passives=body["passives"], detractors=body["detractors"])
