"""Comments that may be missing are not differences; those that may not are."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tests.unit.tools.audit.checks.loop import DAY, NOON
from tools.audit.checks import answers
from tools.audit.facts import AnswerState, DatabaseFacts, TopicFacts

KEPT = 2


def missing(given: Mapping[str, tuple[datetime, str | None]], shown: set[str], *, kept: int = KEPT) -> int:
    states = {
        name: AnswerState(revision=1, score=3, answered_at=at, comment=comment) for name, (at, comment) in given.items()
    }
    database = DatabaseFacts()
    database.comments = {answers.scorer_key(name): (3, given[name][1] or "") for name in shown}
    topics = TopicFacts(answers=states)
    return answers.comments_shown(topics, database, kept=kept, kept_since=NOON - timedelta(days=365)).differences


THREE = {"a": (NOON, "one"), "b": (NOON + DAY, "two"), "c": (NOON + 2 * DAY, "three")}


def test_only_the_newest_comments_must_be_shown() -> None:
    assert missing(THREE, {"b", "c"}) == 0
    assert missing(THREE, {"a", "c"}) == 1
    assert missing(THREE, {"b", "c"}, kept=3) == 1
    assert missing(THREE, set(), kept=0) == 0


def test_the_older_ones_do_not_come_back_when_a_newer_one_is_erased() -> None:
    assert missing({**THREE, "c": (NOON, None)}, {"b"}, kept=1) == 0


def test_a_comment_without_words_and_one_from_long_ago_are_not_shown() -> None:
    given = {"a": (NOON, " "), "b": (NOON, ""), "c": (NOON - 366 * DAY, "old"), "d": (NOON, None)}
    assert missing(given, set()) == 0


def test_a_comment_that_differs_is_found_however_old_it_is() -> None:
    topics = TopicFacts(answers={"a": AnswerState(revision=1, score=3, answered_at=NOON, comment="one")})
    database = DatabaseFacts()
    database.comments = {answers.scorer_key("a"): (3, "two")}
    check = answers.comments_shown(topics, database, kept=KEPT, kept_since=NOON + DAY)
    assert check.differences == 1
    topics.answers["a"] = replace(topics.answers["a"], comment="two")
    assert answers.comments_shown(topics, database, kept=KEPT, kept_since=NOON + DAY).differences == 0
