"""A relay in a process of its own, to be stalled or killed: ``python -m tests.kit.relay_process NAME``.

It reads its settings from the environment, and runs until it is terminated.
"""

import asyncio
import signal
import sys

import uvloop

from shared.health import Health
from shared.messaging.relay import Relay
from shared.settings import ServiceSettings, load


async def main(name: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await Relay(load(ServiceSettings), Health(), name).run(stop)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
