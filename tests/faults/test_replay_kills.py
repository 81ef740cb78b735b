"""A replay that is killed at any moment resumes when it is run again, and ends with the same result."""

import asyncio
import csv
from asyncio.subprocess import PIPE, STDOUT, Process
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path

from deploy.local.commands import remove_state
from deploy.local.external import DATABASE_VARIABLE, KAFKA_VARIABLE
from deploy.local.supervisor import read_records
from tests.kit.eventually import until
from tests.kit.ports import free_base
from tests.kit.processes import process
from tools.replay.files import FILES

ORDERS = 24
ASKED = 23
"""The last one was cancelled before it was due."""
PATIENCE_SECONDS = 120
OPENS = datetime(2018, 1, 1, 9)


def write_history(folder: Path) -> None:
    """An order per day, delivered on time, late or never, each answered some days later, some of them twice."""
    tables: dict[str, list[dict[str, object]]] = {name: [] for name in FILES}
    for number in range(ORDERS):
        placed = OPENS + number * timedelta(days=1)
        delivered = placed + timedelta(days=3 + number % 9)
        order = f"o{number}"
        tables["orders"].append(
            {
                "order_id": order, "customer_id": f"account-{number}",
                "order_status": "canceled" if number % 8 == 7 else "delivered",
                "order_purchase_timestamp": placed, "order_approved_at": placed + timedelta(hours=1),
                "order_delivered_carrier_date": placed + timedelta(days=1),
                "order_delivered_customer_date": "" if number % 6 == 5 else delivered,
                "order_estimated_delivery_date": placed.date() + timedelta(days=8),
            }
        )  # fmt: skip
        tables["customers"].append(
            {"customer_id": f"account-{number}", "customer_unique_id": f"person-{number % 20}", "customer_state": "SP"}
        )
        tables["items"].append({"order_id": order, "product_id": "p", "price": "9.90"})
        tables["payments"].append({"order_id": order, "payment_value": "9.90"})
        for again in range(1 + (number % 5 == 0)):
            tables["reviews"].append(
                {
                    "review_id": f"r{number}-{again}", "order_id": order, "review_score": 1 + (number + again) % 5,
                    "review_comment_title": "", "review_comment_message": f"Palavras {number} 👏🏽",
                    "review_creation_date": delivered.date(),
                    "review_answer_timestamp": delivered + timedelta(days=2 + again),
                }
            )  # fmt: skip
    tables["products"].append({"product_id": "p", "product_category_name": "bebes"})
    tables["categories"].append({"product_category_name": "bebes", "product_category_name_english": "baby"})
    folder.mkdir()
    for name, rows in tables.items():
        with (folder / FILES[name]).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows({column: _written(value) for column, value in row.items()} for row in rows)


def _written(value: object) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def replay(folder: Path, base: int) -> AbstractAsyncContextManager[Process]:
    """`make replay` as it runs, on its own backends; killed when the block is left before its end."""
    return process(
        "tools.replay", str(folder / "data"), "--state", str(folder / "state"), stdout=PIPE, stderr=STDOUT,
        environment={"HEARBACK_PORT_BASE": str(base), KAFKA_VARIABLE: "", DATABASE_VARIABLE: ""},
    )  # fmt: skip


async def read_until(process: Process, word: str) -> str:
    """Its output up to the line with that word, or to its end."""
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while line := (await process.stdout.readline()).decode():
            said += line
            if word in line:
                break
    return said


async def nothing_is_left(state: Path) -> None:
    await until(lambda: not read_records(state / "processes.json"), "every process to end", within=PATIENCE_SECONDS)


async def test_a_killed_replay_resumes_and_ends_with_the_same_result(tmp_path: Path) -> None:
    write_history(tmp_path / "data")
    base, state = free_base(), tmp_path / "state"
    try:
        # While it starts, halfway, and after the last step, during the audit.
        for moment in ("postgresql: ready", "50%", "100%"):
            async with replay(tmp_path, base) as running:
                said = await read_until(running, moment)
                assert moment in said, said
            await nothing_is_left(state)
        async with replay(tmp_path, base) as running:
            said = await read_until(running, "a line that never comes")
            assert await running.wait() == 0, said
        assert "Resuming the interrupted replay" in said
        assert f"exactly the expected orders surveyed: {ASKED} compared, 0 differences" in said, said
        await nothing_is_left(state)
    finally:
        await asyncio.to_thread(remove_state, state)
