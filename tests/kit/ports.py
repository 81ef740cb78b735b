"""Ports for stacks that run at the same time.

A free port stays free until a process listens on it, moments after it was chosen. So that no two processes of a session
choose the same port meanwhile, each has a range of its own.
"""

from dataclasses import astuple

from deploy.local import ports
from deploy.local.errors import StackError
from deploy.local.ports import StackPorts, require_free
from tests.kit.tiers import MAX_WORKERS

_KEEPERS = 2
_SIZE = (ports.FREE_UNTIL - ports.FREE_FROM) // (_KEEPERS + MAX_WORKERS)


def use_range_of_keeper(number: int) -> None:
    """From now on, this process chooses its ports from the range of the first or second keeper, 0 or 1."""
    _use_range(number)


def use_range_of_worker(number: int) -> None:
    _use_range(_KEEPERS + number % MAX_WORKERS)


def _use_range(number: int) -> None:
    ports.FREE_FROM += number * _SIZE
    ports.FREE_UNTIL = ports.FREE_FROM + _SIZE


def free_base() -> int:
    """A value for HEARBACK_PORT_BASE for which all ports are free."""
    while True:
        base = ports.free_port()
        stack = StackPorts.from_base(base)
        try:
            require_free({str(port): port for port in astuple(stack)})
        except StackError:
            continue
        if max(astuple(stack)) < ports.FREE_UNTIL:
            return base
