"""Cases are in the right queue and served as they are."""

from dataclasses import replace

from tests.unit.tools.audit.checks.loop import (
    consistent_loop,
)
from tools.audit.checks import cases


def test_a_case_staff_had_started_may_stay_in_its_queue() -> None:
    _, database = consistent_loop()
    (case,) = database.cases.values()
    database.cases[case.case_id] = replace(case, score=9, status="contacted")
    assert not cases.in_right_queue(database).differences
    database.cases[case.case_id] = replace(case, score=9, status="open")
    assert cases.in_right_queue(database).differences


def test_a_case_served_differently_or_not_at_all_is_found() -> None:
    _, database = consistent_loop()
    (case,) = database.cases.values()
    for given in ({}, {case.case_id: replace(case, owner="x")}, {case.case_id: case, "x": case}):
        assert cases.served(database, given).differences == 1
