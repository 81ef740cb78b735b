"""`python -m tests.kit.keeper kafka <folder>`: runs one backend of a test session, in a process of its own.

The worker that is first to need a backend cannot run it, because it may finish long before the others. A keeper stops
its backend and deletes the data on SIGTERM, and when the session's owner no longer runs, even if it was killed. If the
keeper is killed, the kernel ends the backend.
"""

import asyncio
import secrets
import signal
import sys
from pathlib import Path

from deploy.local.install_folder import remove_data
from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import KafkaNode
from deploy.local.ports import free_port, free_ports
from deploy.local.postgres import PostgresServer
from deploy.local.supervisor import Supervisor
from tests.kit.ports import use_range_of_keeper
from tests.kit.session import Session

OWNER_POLL_SECONDS = 0.2
FORGETS_QUICKLY = {
    "log.cleaner.backoff.ms": 300,
    "log.retention.check.interval.ms": 1_000,
    "log.initial.task.delay.ms": 1_000,
    "log.segment.delete.delay.ms": 100,
}
"""Only the pauses are shorter than a broker's defaults: what is deleted, and when, is up to the topics."""


async def start_kafka(supervisor: Supervisor, folder: Path) -> str:
    jars = await fetch_jars(read_lock())
    port, controller_port = free_ports(2)
    node = KafkaNode(folder=folder, port=port, controller_port=controller_port, settings=FORGETS_QUICKLY)
    await node.prepare(jars)
    await supervisor.start(node.program(jars, folder / "kafka.log"))
    return node.bootstrap_servers


async def start_postgresql(supervisor: Supervisor, folder: Path) -> str:
    server = PostgresServer(folder, free_port(), secrets.token_urlsafe(16))
    await server.prepare()
    await supervisor.start(server.program(folder / "postgresql.log"))
    return server.owner_url


STARTS = {"kafka": start_kafka, "postgresql": start_postgresql}


async def keep(backend: str, session: Session) -> None:
    """Writes the backend's address when it is ready, and returns when it has been stopped. Raises StackError."""
    folder = session.folder
    supervisor = Supervisor(folder / f"{backend}.processes.json")
    ending = asyncio.create_task(_session_ends(session))
    starting = asyncio.create_task(STARTS[backend](supervisor, folder / backend))
    try:
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            draft = folder / f"{backend}.new"
            draft.write_text(starting.result())
            draft.replace(folder / f"{backend}.address")
            await ending
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await supervisor.stop_all()
        remove_data(folder / backend)
        if not session.alive and not any((folder / other).exists() for other in STARTS):
            session.remove()  # its owner no longer can


async def _session_ends(session: Session) -> None:
    told_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_stop.set)
    while session.alive and not told_to_stop.is_set():
        await asyncio.sleep(OWNER_POLL_SECONDS)


if __name__ == "__main__":
    use_range_of_keeper(list(STARTS).index(sys.argv[1]))
    asyncio.run(keep(sys.argv[1], Session.of_folder(Path(sys.argv[2]))))
