"""Which TCP port everything listens on."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields

from deploy.local.errors import StackError

HOST = "127.0.0.1"
DEFAULT_BASE = 8000
HIGHEST_BASE = 65_000
FREE_FROM, FREE_UNTIL = 10_000, 28_000


@dataclass(frozen=True, slots=True)
class StackPorts:
    """One port for each listener of the stack."""

    dispatcher: int
    collector: int
    scorer: int
    alerter: int
    courier: int
    mailbox: int
    smtp: int
    postgresql: int
    kafka: int
    kafka_controller: int

    @classmethod
    def from_base(cls, base: int) -> "StackPorts":
        """Every port at a fixed distance from `base` (HEARBACK_PORT_BASE). Raises StackError for a senseless one."""
        if not 1024 <= base <= HIGHEST_BASE:
            raise StackError(f"HEARBACK_PORT_BASE is {base}: use a number from 1024 to {HIGHEST_BASE}.")
        return cls(
            dispatcher=base + 1,
            collector=base + 2,
            scorer=base + 3,
            alerter=base + 4,
            courier=base + 10,
            mailbox=base + 25,
            smtp=base + 26,
            postgresql=base + 32,
            kafka=base + 92,
            kafka_controller=base + 93,
        )

    @classmethod
    def free(cls) -> "StackPorts":
        """Ports nobody listens on at this moment, all different."""
        names = [field.name for field in fields(cls)]
        return cls(**dict(zip(names, free_ports(len(names)), strict=True)))


def free_ports(count: int) -> list[int]:
    """Different ports nobody listens on at this moment.

    They lie below those the kernel gives to outgoing connections: there, a client that keeps trying to reach a
    process which is just being started again can be given that very port, and then talks to itself.
    """
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            port = FREE_FROM + secrets.randbelow(FREE_UNTIL - FREE_FROM)
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                found.append(port)
    return found


def free_port() -> int:
    return free_ports(1)[0]


def require_free(ports: Mapping[str, int]) -> None:
    """Raises StackError naming the first port that somebody else listens on."""
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise StackError(
                    f"Port {port}, meant for {name}, is already taken by another program: stop that program, "
                    "or move every port of the stack, for example with HEARBACK_PORT_BASE=18000."
                ) from error


async def accepts_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
