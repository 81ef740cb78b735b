"""How tests are distributed to workers: how many there are, which tests stay together, and which come first.

Tests that share something expensive (a running stack, a browser) are one unit of work: it is started in one worker and
stopped after the last of them. Otherwise each file is a unit, so fixtures of a module are set up once.
"""

import os
from collections.abc import Sequence

import pytest

from deploy.local.programs import PROJECT

WORKERS_PER_CORE = 2
"""Tests mostly wait: for a process to start, a lease to expire, a page to settle."""
MAX_WORKERS = 8

FOLDERS_WITH_ONE_STACK = ("tests/acceptance", "tests/browser")
"""Folders whose tests share a running stack."""

LONGEST_FIRST = (
    "tests/browser",
    "tests/faults/test_replay_kills.py",
    "tests/acceptance",
    "tests/integration/deploy/images/test_image.py",
    "tests/integration/deploy/local/test_stack.py",
    "tests/integration/deploy/local/test_commands.py",
)
"""Units of more than 20 s, started first: if one of them came last, the other cores would wait for it at the end."""

LAST = ("tests/faults/test_soak.py",)
"""It runs two of every process, and kills and stalls them: beside other stacks, all of them would run out of time."""


def unit_of(nodeid: str) -> str:
    """The unit of work a test belongs to: a folder or a file. Unit tests of a service share its imports."""
    file = nodeid.partition("::")[0]
    if file.startswith("tests/unit/"):
        return "/".join(file.split("/")[:3])
    return next((folder for folder in FOLDERS_WITH_ONE_STACK if file.startswith(f"{folder}/")), file)


def rank(nodeid: str) -> int:
    """Sorts tests of long units first, those of the heaviest last, and keeps the order of the others."""
    unit = unit_of(nodeid)
    if unit in LAST:
        return len(LONGEST_FIRST) + 1
    return LONGEST_FIRST.index(unit) if unit in LONGEST_FIRST else len(LONGEST_FIRST)


def workers(arguments: Sequence[str]) -> int:
    """The number of workers for these files and folders; 0 if starting them takes longer than it saves."""
    cores = len(os.sched_getaffinity(0))
    folders = {os.path.relpath(each.partition("::")[0], PROJECT) for each in arguments}
    if folders == {"tests/unit"}:
        return cores  # they compute, and do not wait
    if folders & {".", "tests", *(f"tests/{tier}" for tier in ("acceptance", "browser", "faults", "integration"))}:
        return min(MAX_WORKERS, cores * WORKERS_PER_CORE)
    return 0


class PackageFolder(pytest.Package):
    """A folder to which the fixture scope ``package`` applies, although it has no ``__init__.py``.

    Its fixtures are torn down after its last test, instead of at the end of the session.
    """

    def setup(self) -> None:
        """Without ``__init__.py`` there is no module to set up."""
