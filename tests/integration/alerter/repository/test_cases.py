"""A page of the inbox is one short index walk, however many cases there are."""

import re
from typing import Any

from sqlalchemy import text

from services.alerter.domain.case import LAST_WAITING
from services.alerter.domain.case_list import CaseFilter, Cursor
from services.alerter.repository.cases import page_statement
from tests.integration.alerter.kit import Alerter

MANY = 60_000
PAGE = 51
# One case in a hundred is in the queue "rare", one in five hundred "owner 0"'s, one in a thousand has a broken wheel.
_FILL = """
    INSERT INTO cases (case_id, revision, queue, status, sequence, opened_at, changed_at, owner, erased, position,
                       awaits_customer, awaits_order, searched)
    SELECT md5(n::text), 1, CASE WHEN n % 100 < 2 THEN 'rare' ELSE 'common' END,
           CASE WHEN n % 2 = 0 THEN 'closed' WHEN n % 5 = 0 THEN 'assigned' ELSE 'open' END, 1, now(), now(),
           CASE WHEN n % 5 = 0 THEN 'owner ' || n % 500 END, false,
           CASE WHEN n % 2 = 0 THEN 20000000000000000 - n ELSE n END, false, false,
           CASE WHEN n % 1000 = 1 THEN 'a broken wheel nao chegou' ELSE 'word' || n END
    FROM generate_series(1, :many) AS n
"""
LISTS = (
    CaseFilter(),
    CaseFilter(status="any"),
    CaseFilter(queue="common"),
    CaseFilter(queue="rare"),
    CaseFilter(queue="rare", status="closed"),
    CaseFilter(status="closed"),
    CaseFilter(status="assigned"),
    CaseFilter(owner="owner 5"),
    CaseFilter(search="wheel brok"),
    CaseFilter(search="wheel não", status="any"),
    CaseFilter(search="word", status="any"),
    CaseFilter(search="word1 word2", status="any"),
    CaseFilter(search="word777", queue="common", status="open"),
)


async def test_a_page_reads_little_of_many_cases(alerter: Alerter) -> None:
    async with alerter.runtime.transaction() as connection:
        await connection.execute(text(_FILL), {"many": MANY})
    async with alerter.runtime.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("VACUUM ANALYZE cases"))
    for given in LISTS:
        for after in (None, Cursor(MANY // 2, ""), Cursor(2 * LAST_WAITING - MANY // 2, "")):
            plan = await explain(alerter, *page_statement(given, after=after, limit=PAGE))
            assert "Seq Scan" not in plan, (given, after, plan)
            passed_over = sum(int(number) for number in re.findall(r"Rows Removed by .*: (\d+)", plan))
            assert passed_over < 20 * PAGE, (given, after, plan)


async def explain(alerter: Alerter, statement: str, values: dict[str, Any]) -> str:
    rows = await alerter.query(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}", **values)
    return "\n".join(row[0] for row in rows)
