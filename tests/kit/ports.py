"""Ports of stacks that run at the same time.

A port is free until its process listens on it, some moments after it was chosen; so each process of a session chooses
from a range of its own, and no two choose the same.
"""

from dataclasses import astuple

from deploy.local import ports
from deploy.local.errors import StackError
from deploy.local.ports import StackPorts, require_free
from tests.kit.tiers import MOST_WORKERS

_RANGE = (ports.FREE_UNTIL - ports.FREE_FROM) // (MOST_WORKERS + 1)


def choose_from_range(number: int) -> None:
    """From now on, this process's free ports are of the range with this number, 0 to ``MOST_WORKERS``."""
    ports.FREE_FROM += number * _RANGE
    ports.FREE_UNTIL = ports.FREE_FROM + _RANGE


def free_base() -> int:
    """A value of HEARBACK_PORT_BASE of which every port is free."""
    while True:
        base = ports.free_port()
        stack = StackPorts.from_base(base)
        try:
            require_free({str(port): port for port in astuple(stack)})
        except StackError:
            continue
        if max(astuple(stack)) < ports.FREE_UNTIL:
            return base
