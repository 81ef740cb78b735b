"""The queue's statements on a full table."""

import re

import pytest
from sqlalchemy import text

from services.dispatcher.courier.repository import deliveries as repository
from shared.persistence.planner import index_walk
from shared.watermark import BEGINNING
from tests.integration.dispatcher.courier.conftest import Office
from tests.kit.plans import plan_of

OTHERS: dict[str, object] = {"others": [], "since": BEGINNING}


@pytest.mark.parametrize("analyzed", [True, False])
async def test_finding_what_is_due_walks_its_index_however_much_waits_for_later(office: Office, analyzed: bool) -> None:
    async with office.runtime.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO deliveries (send_id, message_id, campaign, expires_at, available_at) "
                "SELECT i, i, 'c', now(), now() + interval '1 hour' FROM generate_series(1, 20000) i"
            )
        )
        if analyzed:
            await connection.execute(text("ANALYZE deliveries"))
        async with index_walk(connection):
            plans = [await plan_of(connection, repository._TAKE, {"limit": 24, **OTHERS})]
        plans.append(await plan_of(connection, repository._FIRST_QUEUED, OTHERS))
    for plan in plans:
        assert re.search("Index (Only )?Scan using deliveries_queued", plan)
        assert "Sort" not in plan
    assert "available_at <= now()" in plans[0].split("Index Cond")[1], "every deferred row would be scanned"


async def test_what_is_unresolved_is_found_by_its_index(office: Office) -> None:
    async with office.runtime.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO deliveries (send_id, message_id, campaign, expires_at, available_at, state) "
                "SELECT i, i, 'c', now(), now() + interval '1 hour', 'transmitting' FROM generate_series(1, 20000) i"
            )
        )
        values = {"channel": "email", "since": BEGINNING, "claim": None, "limit": 50, "lease": 40.0}
        async with index_walk(connection):
            plans = [await plan_of(connection, repository._TAKE_UNRESOLVED, values)]
        plans.append(await plan_of(connection, repository._FIRST_TRANSMITTING, values))
    assert "Index Scan using deliveries_transmitting" in plans[0]
    assert "Sort" not in plans[0]
    assert "deliveries_transmitting" in plans[1]
