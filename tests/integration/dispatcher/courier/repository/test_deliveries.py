"""The queue's statements on a full table."""

from sqlalchemy import text

from services.dispatcher.courier.repository import deliveries as repository
from tests.integration.dispatcher.courier.conftest import Office


async def test_finding_what_is_due_walks_its_index_however_much_waits_for_later(office: Office) -> None:
    async with office.runtime.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO deliveries (send_id, message_id, campaign, expires_at, available_at) "
                "SELECT i, i, 'c', now(), now() + interval '1 hour' FROM generate_series(1, 20000) i"
            )
        )
        await connection.execute(text("ANALYZE deliveries"))
        statement = repository._TAKE.text.replace(":limit", "24").replace(":others", "'{}'")
        plan = "\n".join(row[0] for row in await connection.execute(text(f"EXPLAIN {statement}")))
    assert "Index Scan using deliveries_queued" in plan
    assert "Index Cond: (available_at <= now())" in plan, "every deferred row would be scanned"
    assert "Sort" not in plan
