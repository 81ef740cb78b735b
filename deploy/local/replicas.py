"""How many instances of each process to run, from HEARBACK_REPLICAS, and the ports of the further ones."""

import os
import re
from collections.abc import Mapping

from deploy.local.errors import StackError
from deploy.local.ports import HIGHEST_PORT, StackPorts
from shared.processes import PROCESSES

VARIABLE = "HEARBACK_REPLICAS"
MOST = 9
APART = 100
"""Between the ports of two instances of a process: the second scorer listens 100 above the first."""

_ENTRY = re.compile(r"(?P<process>[a-z-]+)\s*=\s*(?P<number>\d{1,9})")


def replicas_from_environment() -> dict[str, int]:
    """Instances by process, for those named in HEARBACK_REPLICAS. Raises StackError for a value it does not know."""
    return read_replicas(os.environ.get(VARIABLE, ""))


def read_replicas(setting: str) -> dict[str, int]:
    """`scorer=3,collector=2` → {"scorer": 3, "collector": 2}. Raises StackError naming what is wrong in it."""
    replicas: dict[str, int] = {}
    for entry in filter(None, (part.strip() for part in setting.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise StackError(
                f"{VARIABLE} has {entry!r}: write a process, =, and how many of it, for example scorer=3,collector=2."
            )
        process, number = match["process"], int(match["number"])
        if process not in PROCESSES:
            raise StackError(f"{VARIABLE} names {process!r}: the processes are {', '.join(PROCESSES)}.")
        if process in replicas:
            raise StackError(f"{VARIABLE} names {process} twice: give one number for each process.")
        if not 1 <= number <= MOST:
            raise StackError(f"{VARIABLE} asks for {entry}: use a number from 1 to {MOST}.")
        replicas[process] = number
    return replicas


def instances(process: str, number: int) -> list[str]:
    """The names of so many instances of a process: scorer, scorer-2, scorer-3."""
    return [process, *(f"{process}-{index}" for index in range(2, number + 1))]


def every_name(replicas: Mapping[str, int]) -> set[str]:
    """The names of all instances of all processes."""
    return {name for process in PROCESSES for name in instances(process, replicas.get(process, 1))}


def replica_ports(ports: StackPorts, replicas: Mapping[str, int]) -> dict[str, int]:
    """The ports of all but the first instances, by name. Raises StackError if one would be too high to exist."""
    found = {
        name: getattr(ports, process) + APART * distance
        for process, number in replicas.items()
        for distance, name in enumerate(instances(process, number))
        if distance
    }
    for name, port in found.items():
        if port > HIGHEST_PORT:
            raise StackError(f"{name} would listen on port {port}, which does not exist: lower HEARBACK_PORT_BASE.")
    return found
