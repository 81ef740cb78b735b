"""Which tests run in one process one after the other, in which order the workers take them, and how many workers.

Tests that share something costly (a running product, a browser) are a unit of work: what they share is started in
one worker and ends with the last of them. Everywhere else a file is a unit, so what a module shares is started once.
"""

import os
from collections.abc import Sequence

import pytest

from deploy.local.programs import PROJECT

WORKERS_PER_CORE = 2
"""Waiting takes more of a test's time than work does: for a process to start, a lease to run out, a page to settle."""
MOST_WORKERS = 8

SHARING = ("tests/acceptance", "tests/browser")
"""Folders whose tests share a running product. Unit tests share their imports: there, each service is a unit."""

LONGEST_FIRST = (
    "tests/faults/test_kills.py",
    "tests/browser",
    "tests/faults/test_replay_kills.py",
    "tests/acceptance",
    "tests/faults/test_replicas.py",
    "tests/integration/deploy/local/test_stack.py",
    "tests/integration/deploy/local/test_commands.py",
)
"""Units that take more than 20 s; started late, they would be waited for at the end, on one core."""


def unit_of(nodeid: str) -> str:
    """The unit of work a test belongs to: a folder or a file."""
    file = nodeid.partition("::")[0]
    if file.startswith("tests/unit/"):
        return "/".join(file.split("/")[:3])
    return next((folder for folder in SHARING if file.startswith(f"{folder}/")), file)


def in_order(nodeid: str) -> int:
    """Sorts tests: those of long units first, the others as they were."""
    unit = unit_of(nodeid)
    return LONGEST_FIRST.index(unit) if unit in LONGEST_FIRST else len(LONGEST_FIRST)


def workers(arguments: Sequence[str]) -> int:
    """The number of workers for these files and folders; 0 where starting them takes longer than it saves."""
    cores = len(os.sched_getaffinity(0))
    folders = {os.path.relpath(each.partition("::")[0], PROJECT) for each in arguments}
    if folders == {"tests/unit"}:
        return cores  # they compute, and wait for nothing
    if folders & {".", "tests", *(f"tests/{tier}" for tier in ("acceptance", "browser", "faults", "integration"))}:
        return min(MOST_WORKERS, cores * WORKERS_PER_CORE)
    return 0


class SharingFolder(pytest.Package):
    """A folder as the scope ``package``: its fixtures end with its last test, and not with the whole session.

    pytest takes only folders with an ``__init__.py`` for packages, which the tests have none of.
    """

    def setup(self) -> None:
        """There is no module to set up."""
