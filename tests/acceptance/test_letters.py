"""What could not be read is listed, shown, mended, put back or skipped by one command, on the running product."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.acceptance.product import HOUR, Buyer, Product
from tests.kit.eventually import eventually
from tools.hearback.database import open_database
from tools.hearback.letter_table import Filter, LetterTable

PROJECT = Path(__file__).parents[2]
_SECONDS = 60


async def hearback(product: Product, *arguments: str, exit_code: int = 0) -> str:
    """What ``hearback letters …`` printed, to either output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tools.hearback",
        "letters",
        *arguments,
        cwd=PROJECT,
        env={**os.environ, **product.stack.client_environment()},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == exit_code, output.decode()
    return output.decode()


async def publish_raw(product: Product, value: bytes, event_id: str) -> int:
    """A record of ``orders`` as a careless shop would send it; returns its offset in partition 0."""
    producer = AIOKafkaProducer(bootstrap_servers=product.stack.kafka_bootstrap_servers)
    await producer.start()
    try:
        headers = [("ce_specversion", b"1.0"), ("ce_type", b"order.placed"), ("ce_source", b"/shop")]
        sent = await producer.send_and_wait(
            product.stack.topic_prefix + "orders",
            value,
            key=b"careless",
            partition=0,
            headers=[*headers, ("ce_id", event_id.encode())],
        )
    finally:
        await producer.stop()
    return int(sent.offset)


async def listed(product: Product, letter_id: str, *more: str) -> str:
    """The line of the list about this letter, once it is there.

    That is asked of the database: to start the command takes seconds on a busy machine.
    """
    state = more[more.index("--state") + 1] if "--state" in more else "set_aside"
    async with open_database("dead_letters", product.stack.database.owner_url) as found:
        table = LetterTable(found)

        async def is_there() -> bool:
            return letter_id in {letter.letter_id for letter in await table.find(Filter(state=state), limit=1_000)}

        await eventually(is_there, f"{letter_id} to be {state}")
    lines = (await hearback(product, "list", "--limit", "1000", *more)).splitlines()
    return next(line for line in lines if line.startswith(f"{letter_id} "))


async def test_a_mended_order_is_asked_about(product: Product, tmp_path: Path) -> None:
    buyer = Buyer()
    body = product.event("order.placed", buyer, "careless-1").body
    offset = await publish_raw(product, json.dumps({**body, "occurred_at": "yesterday"}).encode(), f"{buyer.id}-mended")
    letter = f"dispatcher/orders/0/{offset}"
    line = await listed(product, letter)
    assert f"{buyer.id}-mended" in line and "occurred_at" in line
    await listed(product, f"alerter/orders/0/{offset}")

    shown = await hearback(product, "show", letter)
    assert "ce_type: order.placed" in shown and '"occurred_at": "yesterday"' in shown and "careless" in shown

    file = tmp_path / "mended.json"
    file.write_text(json.dumps(body))
    assert "Put back 1 record." in await hearback(product, "edit", letter, "--file", str(file))
    assert "put back" in await listed(product, f"alerter/orders/0/{offset}", "--state", "put_back")
    await product.after(HOUR)
    assert (await product.mail(buyer)).to == buyer.address
    report = await product.audited()
    assert report.clean, report


async def test_what_is_still_unreadable_is_set_aside_again_and_can_be_skipped(product: Product) -> None:
    offset = await publish_raw(product, b"{not \x1b[31mjson", "still-unreadable")
    letter = f"dispatcher/orders/0/{offset}"
    await listed(product, letter)
    shown = await hearback(product, "show", letter)
    assert r"{not \x1b[31mjson" in shown and "\x1b" not in shown
    for file in ("nowhere.json", "/"):
        assert "--file" in await hearback(product, "edit", letter, "--file", file, exit_code=2)
    assert "Put back 1 record." in await hearback(product, "put-back", letter)
    await listed(product, f"dispatcher/orders/0/{offset + 1}")
    skipped = await hearback(product, "skip", "--all", "--topic", "orders", "--reason", "not JSON")
    assert "Skipped" in skipped and "Skipped 0" not in skipped
    assert f"dispatcher/orders/0/{offset + 1}" not in await hearback(product, "list")
    assert "skipped" in await listed(product, f"dispatcher/orders/0/{offset + 1}", "--state", "skipped")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "dispatcher/orders/0/999999"), "There is no dead letter"),
        (("show", "orders:5"), "is not a dead letter's id"),
        (("allow", "dispatcher", "nothing", "5"), "No service 'dispatcher' reads the topic 'nothing'"),
    ],
)
async def test_a_mistake_is_answered_with_a_sentence(
    product: Product, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in await hearback(product, *arguments, exit_code=1)
