"""Promise 2: an acknowledged answer is on the topic, in the scorer, and counted once in each of its segments."""

import re
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from shared.nps import Counts, group_of
from tools.audit.facts import (
    EVERYBODY,
    AnswerState,
    DatabaseFacts,
    Figures,
    FiguresByDay,
    ScorerRow,
    Segment,
    TopicFacts,
)
from tools.audit.report import Check

REACHED = {"delivery.accepted", "delivery.delivered"}
NOT_REACHED = {"delivery.bounced", "delivery.failed"}
LAST_DAY = datetime(9999, 1, 1, tzinfo=UTC)
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


def shown(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """The words the dashboard shows beside the figures are those of answers as they stand, and of no erased one."""
    check = Check("comments as given", 2)
    given = {scorer_key(answer_id): (state.score, state.comment) for answer_id, state in topics.answers.items()}
    for key, words in database.comments.items():
        check.compared += 1
        if given.get(key) != words:
            check.differs(f"the comment of answer {key} is not what the answer says")
    return check


def counted(by_day: FiguresByDay, database: DatabaseFacts, delivered_from: date) -> Check:
    """The counts of every day, campaign and segment, added up again; surveys delivered only from a day on."""
    check = Check("counts a day and segment", 2)
    for cell in by_day.keys() | database.day_counts.keys():
        (dimension, value), campaign, day = cell
        expected, found = by_day.get(cell, Figures()), database.day_counts.get(cell, Figures())
        if day < delivered_from:
            check.left_out += 1
            found = replace(found, delivered=expected.delivered)
        check.same(f"{dimension}:{value} of {campaign or 'no campaign'} on {day}", expected, found)
    return check


def figures_by_day(topics: TopicFacts, zone: ZoneInfo) -> FiguresByDay:
    """What every segment of every campaign got on each day: answers on the day they were given, and surveys that were
    accepted and did not come back, on the day they were sent."""
    cells: defaultdict[tuple[Segment, str, date], Counter[str]] = defaultdict(Counter)
    for state in topics.answers.values():
        if state.score is not None and state.answered_at is not None:
            day = state.answered_at.astimezone(zone).date()
            for segment in state.counted_in():
                cell = cells[segment, state.campaign or "", day]
                cell[group_of(state.score)] += 1
                cell["surveyed"] += state.send_id is not None
    for sent in topics.sends.values():
        outcomes = topics.outcomes.get(sent.send_id, set())
        if outcomes & REACHED and not outcomes & NOT_REACHED:
            day = sent.sent_at.astimezone(zone).date()
            for segment in (EVERYBODY, *sent.segments):
                cells[segment, sent.campaign, day]["delivered"] += 1
    return {
        at: Figures(Counts(cell["promoter"], cell["passive"], cell["detractor"]), cell["surveyed"], cell["delivered"])
        for at, cell in cells.items()
    }


def delivered_from(topics: TopicFacts, zone: ZoneInfo) -> date:
    """The first day of whose surveys Kafka still keeps all that became of them."""
    dropped = [topics.dropped[name] for name in ("surveys.sends", "surveys.deliveries") if name in topics.dropped]
    if not dropped:
        return date.min
    return max(min(kept_from, LAST_DAY) for kept_from in dropped).astimezone(zone).date() + timedelta(days=1)


def _as_row(state: AnswerState, zone: ZoneInfo) -> ScorerRow:
    if state.score is None or state.answered_at is None:
        return ScorerRow(state.revision, None, None, "", frozenset(), None)
    day = state.answered_at.astimezone(zone).date()
    surveyed = state.send_id is not None
    return ScorerRow(state.revision, state.score, day, state.campaign or "", state.segments, surveyed)


class _Shown(tuple[object, ...]):
    """An answer's fields, compared whole and shown without what the customer wrote."""

    def __repr__(self) -> str:
        return f"revision {self[0]}, score {self[1]}, answered {self[2]}"


def _told(state: AnswerState | None) -> _Shown | None:
    if state is None:
        return None
    return _Shown(
        (state.revision, state.score, state.answered_at, state.campaign, state.segments, state.customer_id,
         state.send_id, state.comment, state.words)
    )  # fmt: skip
