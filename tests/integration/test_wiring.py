"""Nothing that was written is left out of a process: its loops are those docs/architecture.md lists, and its handlers
those of the topics it consumes."""

import ast

import pytest

from deploy.local.programs import PROJECT
from shared.contracts.topics import CONSUMED_BY
from tests.kit.wired import BUILDERS, built

EVERY_PROCESS = "every process"


def listed_loops() -> dict[str, set[str]]:
    """The names of the loops in the table of docs/architecture.md, by process."""
    text = (PROJECT / "docs/architecture.md").read_text().partition("## What runs in the background\n")[2]
    found: dict[str, set[str]] = {}
    process = ""
    for line in text.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[2].startswith("`"):
            process = cells[1] or process
            found.setdefault(process, set()).add(cells[2].strip("`"))
    return found


def test_every_process_is_looked_at() -> None:
    assert BUILDERS.keys() == CONSUMED_BY.keys() == listed_loops().keys() - {EVERY_PROCESS}


@pytest.mark.parametrize("process", BUILDERS)
async def test_a_process_runs_the_loops_that_are_listed(process: str) -> None:
    listed = listed_loops()
    async with built(process) as (_, loops):
        names = [loop.name for loop in loops]
    assert sorted(names) == sorted(listed[EVERY_PROCESS] | listed[process])


async def test_every_class_with_a_step_is_a_loop_of_some_process() -> None:
    written = {
        f"{'.'.join(file.relative_to(PROJECT).with_suffix('').parts)}.{node.name}"
        for top in ("services", "shared")
        for file in PROJECT.glob(f"{top}/**/*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(each, ast.AsyncFunctionDef) and each.name == "step" for each in node.body)
    }
    wired: set[str] = set()
    for process in BUILDERS:
        async with built(process) as (_, loops):
            owners = [type(getattr(loop.step, "__self__", None)) for loop in loops]
        wired |= {f"{owner.__module__}.{owner.__qualname__}" for owner in owners}
    assert wired == written


@pytest.mark.parametrize("process", BUILDERS)
async def test_a_process_handles_every_topic_it_consumes(process: str) -> None:
    async with built(process) as (service, _):
        assert service.handlers.keys() == {topic.name for topic in CONSUMED_BY[process]}
