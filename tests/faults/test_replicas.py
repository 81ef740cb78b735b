"""Either of two replicas may stall or die; the other takes over, and the audit is clean afterwards."""

import asyncio
import os
import signal

from deploy.local.programs import PROCESSES
from deploy.local.stack import Stack
from tests.faults.conftest import traffic_on


async def test_a_stalled_replica_is_replaced_and_wakes_up_to_nothing(two_of_each: Stack) -> None:
    async with traffic_on(two_of_each) as traffic:
        await traffic.order(40)
        await traffic.some_answered()
        stalled = [two_of_each.running[name].pid for name in ("dispatcher", "scorer", "alerter")]
        for pid in stalled:
            os.kill(pid, signal.SIGSTOP)
        try:
            await traffic.order(40)
            # The other one takes over its partitions, and everybody is asked, while the stalled one still believes it
            # owns them.
            await traffic.all_answered()
        finally:
            for pid in stalled:
                os.kill(pid, signal.SIGCONT)
        await traffic.order(20)


async def test_two_of_each_share_the_work_and_outlive_a_kill(two_of_each: Stack) -> None:
    async with traffic_on(two_of_each) as traffic:
        await traffic.order(60)
        await traffic.some_answered()
        await asyncio.gather(*(two_of_each.kill(process) for process in PROCESSES if process != "collector"))
        await traffic.order(60)
