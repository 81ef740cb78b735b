"""What came out of a replay beside what must: who was asked, what counts, in the customers' own words."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg
import httpx

from shared.contracts.identity import answer_id
from shared.nps import Counts, NetPromoterScore, net_promoter_score
from tools.audit import Check
from tools.replay.driver import CAMPAIGN, survey_of
from tools.replay.olist import PastOrder
from tools.replay.oracle import Asked, counts_by, total

Dimension = Literal["delivery", "region"]
DIMENSIONS: tuple[Dimension, ...] = ("delivery", "region")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``scores`` are as served, by dimension and value; ``unasked`` counts recorded answers nobody was asked for,
    by the dispatcher's reason."""

    checks: Sequence[Check]
    everybody: NetPromoterScore
    scores: Mapping[str, Mapping[str, NetPromoterScore]]
    asked: int
    unasked: dict[str, int] = field(default_factory=dict)

    @property
    def differences(self) -> int:
        return sum(check.differences for check in self.checks)


async def compare(
    orders: Sequence[PastOrder], asks: Sequence[Asked], database_url: str, scorer_url: str, api_key: str
) -> Outcome:
    """Compares the ledgers and the served scores with what follows from the files alone."""
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
                value: await _served(client, scorer_url, f"{dimension}:{value}") for value in counts_by(asks, dimension)
            }
            for dimension in DIMENSIONS
        }
    checks = [
        _asked_as_ruled(asks, sent),
        _answered_as_recorded(asks, bodies),
        _counted_as_added_up(asks, everybody, scores),
    ]
    asked_orders = {ask.order.order_id for ask in asks}
    unasked: Counter[str] = Counter()
    for order in orders:
        if order.answers and order.order_id not in asked_orders:
            unasked[reasons.get(order.order_id, "no decision")] += len(order.answers)
    return Outcome(
        checks,
        net_promoter_score(everybody),
        {
            dimension: {value: net_promoter_score(counts) for value, counts in of.items()}
            for dimension, of in scores.items()
        },
        len(sent),
        dict(unasked.most_common()),
    )


def _asked_as_ruled(asks: Sequence[Asked], sent: dict[str, str]) -> Check:
    check = Check("asked about exactly these orders", 1)
    expected = {survey_of(ask): ask.order.order_id for ask in asks}
    for survey in expected.keys() | sent.keys():
        check.same(f"survey {survey}", expected.get(survey), sent.get(survey))
    return check


def _answered_as_recorded(asks: Sequence[Asked], bodies: dict[str, dict[str, Any]]) -> Check:
    """Score, words and segments of every answer; the words are compared and never shown."""
    check = Check("every answer as it was given", 2)
    expected = {answer_id(survey_of(ask)): ask for ask in asks if ask.answers}
    for answer in expected.keys() | bodies.keys():
        ask, body = expected.get(answer), bodies.get(answer)
        if ask is None or body is None:
            check.same(f"answer {answer}", ask is not None, body is not None)
            continue
        segments = body["segments"]
        check.same(
            f"answer {answer}",
            (ask.final_score, ask.order.state, ask.delivery),
            (body["score"], segments.get("region"), segments.get("delivery")),
        )
        if ask.final_comment != body.get("comment"):
            check.differs(f"answer {answer}: its comment is not what was written")
    return check


def _counted_as_added_up(
    asks: Sequence[Asked], everybody: Counts, scores: Mapping[Dimension, Mapping[str, Counts]]
) -> Check:
    check = Check("scores served as the files add up", 2)
    check.same("everybody", total(asks), everybody)
    for dimension in DIMENSIONS:
        for value, counts in counts_by(asks, dimension).items():
            check.same(f"{dimension}:{value}", counts, scores[dimension][value])
    return check


async def _sent(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    rows = await connection.fetch("SELECT send_id::text AS send_id, order_id FROM dispatcher.sends")
    return {row["send_id"]: row["order_id"] for row in rows}


async def _answers(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, dict[str, Any]]:
    rows = await connection.fetch("SELECT answer_id, body::text AS body FROM collector.answers")
    return {row["answer_id"]: json.loads(row["body"]) for row in rows}


async def _reasons(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    """Why an order was not asked about: the last decision that says so."""
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
    return Counts(body["promoters"], body["passives"], body["detractors"])
