"""How tests are distributed to workers."""

import os

import pytest

from deploy.local.programs import PROJECT
from tests.kit import tiers


@pytest.mark.parametrize(
    ("test", "unit"),
    [
        ("tests/acceptance/test_loop.py::test_a[b::c/d]", "tests/acceptance"),
        ("tests/browser/test_inbox.py::test_a", "tests/browser"),
        ("tests/unit/scorer/domain/test_tally.py::test_a", "tests/unit/scorer"),
        ("tests/integration/scorer/api/test_nps.py::test_a", "tests/integration/scorer/api/test_nps.py"),
    ],
)
def test_a_unit_is_a_folder_with_one_stack_or_a_services_unit_tests_or_else_a_file(test: str, unit: str) -> None:
    assert tiers.unit_of(test) == unit


def test_long_units_come_first_and_the_others_stay_in_order() -> None:
    short = ["tests/integration/b.py::test_b", "tests/integration/a.py::test_a"]
    long = [f"{tiers.LONGEST_FIRST[1]}::test_c", f"{tiers.LONGEST_FIRST[0]}/test_d.py::test_d"]
    heavy = [f"{tiers.LAST[0]}::test_e"]
    assert sorted([*heavy, *short, *long], key=tiers.rank) == [*reversed(long), *short, *heavy]


@pytest.mark.parametrize("several", [["tests"], ["tests/integration"], ["tests/unit", "tests/faults"], ["."]])
def test_whole_tiers_get_more_workers_than_there_are_cores(several: list[str]) -> None:
    cores = len(os.sched_getaffinity(0))
    assert tiers.workers(several) == min(tiers.MAX_WORKERS, 2 * cores)
    assert tiers.workers(["tests/unit"]) == cores


@pytest.mark.parametrize(
    "one", [["tests/unit/scorer"], ["tests/integration/scorer"], ["tests/unit/kit/test_tiers.py::test_a"]]
)
def test_single_files_and_folders_get_no_workers(one: list[str]) -> None:
    assert tiers.workers(one) == 0


def test_every_named_unit_exists() -> None:
    named = {*tiers.FOLDERS_WITH_ONE_STACK, *tiers.LONGEST_FIRST, *tiers.LAST}
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []
