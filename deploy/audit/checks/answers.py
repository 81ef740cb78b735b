"""Promise 2: an acknowledged answer is on the topic, in the scorer, and counted once in each of its segments."""

import re
from collections import Counter, defaultdict
from datetime import date
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from deploy.audit.facts import AnswerState, CountsByDay, DatabaseFacts, ScorerRow, Segment, TopicFacts
from deploy.audit.report import Check
from shared.nps import Counts, group_of

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OTHER_IDS = UUID("0b1d6a0e-9f3b-5b7c-8a54-2f4f5d0c9e11")


def scorer_key(answer_id: str) -> str:
    """Under which key the scorer keeps an answer: ids that are no UUID in canonical form get one made from them."""
    return answer_id if _CANONICAL_UUID.fullmatch(answer_id) else str(uuid5(_OTHER_IDS, answer_id))


def published(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """Each answer the collector acknowledged is on ``surveys.answers`` at the same revision, word for word."""
    check = Check("acknowledged answers are published", 2)
    for answer_id in database.answers.keys() | topics.answers.keys():
        check.same(
            f"answer {answer_id}",
            _told(database.answers.get(answer_id)),
            _told(topics.answers.get(answer_id)),
        )
    return check


def held_by_scorer(topics: TopicFacts, database: DatabaseFacts, zone: ZoneInfo) -> Check:
    """Each published answer is one row of the scorer's, on the right day, in the right segments."""
    check = Check("published answers are in the scorer", 2)
    expected = {scorer_key(answer_id): _as_row(state, zone) for answer_id, state in topics.answers.items()}
    for key in expected.keys() | database.scorer_rows.keys():
        check.same(f"answer {key}", expected.get(key), database.scorer_rows.get(key))
    return check


def counted(topics: TopicFacts, database: DatabaseFacts, zone: ZoneInfo) -> Check:
    """The counts of every day, campaign and segment, added up again from the answers."""
    check = Check("counts a day and segment", 2)
    expected = count_by_day(topics, zone)
    for cell in expected.keys() | database.day_counts.keys():
        (dimension, value), campaign, day = cell
        found = database.day_counts.get(cell, Counts())
        check.same(
            f"{dimension}:{value} of {campaign or 'no campaign'} on {day}",
            expected.get(cell, Counts()),
            found,
        )
    return check


def count_by_day(topics: TopicFacts, zone: ZoneInfo) -> CountsByDay:
    groups: defaultdict[tuple[Segment, str, date], Counter[str]] = defaultdict(Counter)
    for state in topics.answers.values():
        if state.score is not None and state.answered_at is not None:
            day = state.answered_at.astimezone(zone).date()
            for segment in state.counted_in():
                groups[segment, state.campaign or "", day][group_of(state.score)] += 1
    return {cell: Counts(group["promoter"], group["passive"], group["detractor"]) for cell, group in groups.items()}


def _as_row(state: AnswerState, zone: ZoneInfo) -> ScorerRow:
    if state.score is None or state.answered_at is None:
        return ScorerRow(state.revision, None, None, "", frozenset())
    day = state.answered_at.astimezone(zone).date()
    return ScorerRow(state.revision, state.score, day, state.campaign or "", state.segments)


class _Shown(tuple[object, ...]):
    """An answer's fields, compared whole and shown without what the customer wrote."""

    def __repr__(self) -> str:
        return f"revision {self[0]}, score {self[1]}, answered {self[2]}"


def _told(state: AnswerState | None) -> _Shown | None:
    if state is None:
        return None
    return _Shown(
        (state.revision, state.score, state.answered_at, state.campaign, state.segments, state.customer_id,
         state.send_id, state.comment)
    )  # fmt: skip
