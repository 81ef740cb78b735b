"""Waiting tells what it waited for when it was in vain, and never longer than it may."""

from collections.abc import Iterator

import pytest

from tests.kit.eventually import eventually, until


async def test_it_returns_the_first_answer_that_is_as_wanted() -> None:
    answers: Iterator[int] = iter((0, 1, 2))

    async def ask() -> int:
        return next(answers)

    assert await eventually(ask, "an answer", every=0) == 1


async def test_in_vain_it_says_what_was_seen_last() -> None:
    async def ask() -> str:
        return "three of five"

    with pytest.raises(AssertionError, match="waited 0 s for all five; last seen: 'three of five'"):
        await eventually(ask, "all five", wanted=lambda found: found == "five", within=0, every=0)


async def test_a_condition_may_say_how_far_it_came() -> None:
    await until(lambda: True, "nothing")
    with pytest.raises(AssertionError, match="waited 0 s for 5 emails, not 3"):
        await until(lambda: False, lambda: f"5 emails, not {3}", within=0, every=0)
