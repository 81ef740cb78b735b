"""The background supervisor: starts a stack, keeps it up, and stops it on SIGTERM."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.class_cache import class_cache
from deploy.local.environment import settings_from_environment
from deploy.local.errors import StackError
from deploy.local.external import External
from deploy.local.ports import StackPorts
from deploy.local.programs import Program, spawn
from deploy.local.replicas import replica_ports, replicas_from_environment
from deploy.local.stack import Stack
from deploy.local.status import StatusFile

log = logging.getLogger(__name__)


def stack_from_environment(state: Path, ports: StackPorts) -> Stack:
    """The stack configured by the environment's HEARBACK_ settings. Raises StackError for an invalid one."""
    replicas = replicas_from_environment()
    return Stack(
        state=state,
        ports=ports,
        replicas=replicas,
        replica_ports=replica_ports(ports, replicas),
        topic_prefix=os.environ.get("HEARBACK_TOPIC_PREFIX", ""),
        environment=settings_from_environment(),
        external=External.from_environment(),
    )


async def supervise(stack: Stack) -> int:
    """Runs `stack` until SIGTERM or SIGINT. Returns the exit code; a failed start is reported in the status file."""
    status = StatusFile(stack.state, stack.ports, stack.http_ports)
    stack.report = status.report
    status.enter("starting")
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    stopping = asyncio.create_task(asked_to_stop.wait())
    starting = asyncio.create_task(stack.up())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not starting.done():
            return await _give_up(starting, status)
        starting.result()
    except StackError as error:
        log.error("%s", error)
        status.enter("failed", str(error))
        return 1
    except Exception as error:
        log.exception("the stack could not start")
        status.enter("failed", f"The stack could not start ({error}): {stack.log_file('supervisor')} has the details.")
        return 1
    status.enter("ready")
    log.info("up, with %d processes", len(stack.running))
    async with _keeping_classes(stack):
        await stopping
    status.enter("stopping")
    await stack.down()
    status.remove()
    return 0


@asynccontextmanager
async def _keeping_classes(stack: Stack) -> AsyncIterator[None]:
    """Has it prepared, once on a machine and beside everything else, that Kafka starts faster the next time."""
    if not stack.kafka_jars or class_cache(stack.kafka_jars).exists():
        yield
        return
    cache = os.environ.get("HEARBACK_CACHE_DIR")
    process = spawn(
        Program(
            name="class cache",
            command=(sys.executable, "-m", "deploy.local", "class-cache"),
            log_file=stack.log_file("class-cache"),
            environment={"HEARBACK_CACHE_DIR": cache} if cache else {},
        )
    )
    ended = asyncio.create_task(asyncio.to_thread(process.wait))
    try:
        yield
    finally:
        process.kill()
        await ended


async def _give_up(starting: "asyncio.Task[None]", status: StatusFile) -> int:
    status.enter("stopping")
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    status.remove()
    return 0


def main(state: Path) -> int:
    """Returns the exit code. An error is the last line of the log, which `make up` prints."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-5s %(message)s")
    try:
        stack = stack_from_environment(state.resolve(), StackPorts.from_environment())
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return asyncio.run(supervise(stack))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
