"""Any process may die at any instruction; the audit is clean afterwards."""

import pytest

from deploy.local.programs import PROCESSES
from deploy.local.stack import Stack
from tests.faults.conftest import PATIENCE_SECONDS, traffic_on
from tests.kit.eventually import until


@pytest.mark.parametrize("process", PROCESSES)
async def test_a_process_killed_in_the_middle_comes_back_and_the_books_are_clean(stack: Stack, process: str) -> None:
    async with traffic_on(stack) as traffic:
        await traffic.order(60)
        await traffic.some_answered()
        await stack.kill(process)
        await traffic.order(60)
        await stack.ready(process)


async def test_a_broker_restart_loses_nothing(stack: Stack) -> None:
    async with traffic_on(stack) as traffic:
        await traffic.order(40)
        await traffic.some_answered()
        await stack.stop("kafka")
        # Customers keep answering what they have: an answer needs no broker to be acknowledged.
        await until(
            lambda: len(traffic.acknowledged) >= len(traffic.mails),
            lambda: f"{len(traffic.mails)} answers, not {len(traffic.acknowledged)}",
            within=PATIENCE_SECONDS,
        )
        await stack.start("kafka")
        await traffic.order(40)


async def test_a_database_restart_loses_nothing(stack: Stack) -> None:
    async with traffic_on(stack) as traffic:
        await traffic.order(40)
        await traffic.some_answered()
        await stack.stop("postgresql")
        await traffic.order(40)
        await stack.start("postgresql")


async def test_a_poison_message_harms_itself_alone(stack: Stack) -> None:
    async with traffic_on(stack) as traffic:
        await traffic.order(20)
        await traffic.shop.publish_raw(b"\x00 not an order", key="poison")
        await traffic.shop.publish_raw(b'{"order_id": 1}', key="poison")
        await traffic.order(20)
