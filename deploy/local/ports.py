"""The TCP ports of the stack."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from deploy.local.errors import StackError

HOST = "127.0.0.1"
DEFAULT_BASE = 8000
HIGHEST_BASE = 65_000
HIGHEST_PORT = 65_535
FREE_FROM, FREE_UNTIL = 10_000, 28_000

_chosen: set[int] = set()
"""Free ports are not chosen a second time: nobody may listen yet on those chosen moments ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPorts:
    """One port per listener of the stack."""

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
        """Every port at a fixed distance from `base` (HEARBACK_PORT_BASE). Raises StackError if it is out of range."""
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
    def from_environment(cls) -> "StackPorts":
        """Raises StackError if HEARBACK_PORT_BASE is not a port number, or out of range."""
        text = os.environ.get("HEARBACK_PORT_BASE") or str(DEFAULT_BASE)
        if not text.isdigit():
            raise StackError(f"HEARBACK_PORT_BASE is {text!r}, which is not a port number: use one such as 18000.")
        return cls.from_base(int(text))

    @classmethod
    def free(cls) -> "StackPorts":
        """Distinct ports that are currently free."""
        names = [field.name for field in fields(cls)]
        return cls(**dict(zip(names, free_ports(len(names)), strict=True)))


def free_ports(count: int) -> list[int]:
    """Distinct ports that are currently free, and that this process has not chosen before while there are others.

    They are below the kernel's ephemeral ports: among those, a client that keeps reconnecting to a restarting process
    can be assigned that very port, and would then connect to itself.
    """
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            if len(_chosen) > (FREE_UNTIL - FREE_FROM) // 2:
                _chosen.clear()
            port = FREE_FROM + secrets.randbelow(FREE_UNTIL - FREE_FROM)
            if port in _chosen:
                continue
            _chosen.add(port)
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                found.append(port)
    return found


def free_port() -> int:
    return free_ports(1)[0]


def require_free(ports: Mapping[str, int], *, of_running_stack: Collection[int] = ()) -> None:
    """Raises StackError naming the first port that is already in use, and Hearback, if it is the one using it."""
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                user, remedy = "another program", "stop that program"
                if port in of_running_stack:
                    user, remedy = "Hearback itself, which is running", "stop it with `make down`"
                raise StackError(
                    f"Port {port}, meant for {name}, is already in use by {user}: {remedy}, "
                    "or move all ports of the stack, for example with HEARBACK_PORT_BASE=18000."
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
