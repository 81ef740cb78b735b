"""Promise 2: each acknowledged answer is on the topic, in the scorer, and counted once in each of its segments."""

import re
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from shared.contracts import deliveries, identity, sends
from tools.audit.arithmetic import Counts, group_of
from tools.audit.facts import (
    EVERYBODY,
    AnswerState,
    DatabaseFacts,
    ScorerAnswer,
    Segment,
    StillCounted,
    TopicFacts,
    Totals,
    TotalsByDay,
)
from tools.audit.report import Check

DELIVERED = {deliveries.ACCEPTED, deliveries.DELIVERED}
NOT_DELIVERED = {deliveries.BOUNCED, deliveries.FAILED}
LAST_DAY = datetime(9999, 1, 1, tzinfo=UTC)
_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ANSWER_ID_NAMESPACE = UUID("0b1d6a0e-9f3b-5b7c-8a54-2f4f5d0c9e11")


def scorer_key(answer_id: str) -> str:
    """The scorer's key of an answer: the id if it is a canonical UUID, otherwise a UUID derived from it."""
    return answer_id if _CANONICAL_UUID.fullmatch(answer_id) else str(uuid5(_ANSWER_ID_NAMESPACE, answer_id))


def published(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """Each answer the collector acknowledged is on ``surveys.answers``, identical and at the same revision."""
    check = Check("acknowledged answers are published", 2)
    for answer_id in database.answers.keys() | topics.answers.keys():
        check.expect_equal(
            f"answer {answer_id}",
            expected=_comparable(database.answers.get(answer_id)),
            found=_comparable(topics.answers.get(answer_id)),
        )
    return check


def stored_by_scorer(topics: TopicFacts, database: DatabaseFacts, zone: ZoneInfo) -> Check:
    """Each published answer is one row in the scorer, on the right day and in the right segments."""
    check = Check("published answers are in the scorer", 2)
    expected = {scorer_key(answer_id): _expected_row(state, zone) for answer_id, state in topics.answers.items()}
    for key in expected.keys() | database.scorer_answers.keys():
        check.expect_equal(f"answer {key}", expected=expected.get(key), found=database.scorer_answers.get(key))
    return check


def comments_shown(topics: TopicFacts, database: DatabaseFacts, *, kept: int, kept_since: datetime) -> Check:
    """The comments on the dashboard are those of the answers, erased ones have none, and none is missing.

    Only the newest ``kept`` comments of answers given since ``kept_since`` are: once there have been more, those older
    than every one that is shown may be gone.
    """
    check = Check("comments match answers", 2)
    given = {scorer_key(answer_id): state for answer_id, state in topics.answers.items()}
    for key, comment in database.comments.items():
        check.compared += 1
        if key not in given or (given[key].score, given[key].comment) != comment:
            check.add_difference(f"the comment of answer {key} does not match the answer")
    written = [
        (state.answered_at, key)
        for key, state in given.items()
        if state.comment and not state.comment.isspace() and state.answered_at is not None
        if state.answered_at >= kept_since
    ]
    complete = len(written) <= kept
    oldest = min((at for at, key in written if key in database.comments), default=LAST_DAY)
    for at, key in written if kept else ():
        check.compared += 1
        if key not in database.comments and (complete or at > oldest):
            check.add_difference(f"the comment of answer {key} is not shown")
    return check


def day_counts(by_day: TotalsByDay, database: DatabaseFacts, delivered_from: date) -> Check:
    """The counts of every day, campaign and segment, recounted; surveys only since ``delivered_from``."""
    check = Check("counts per day and segment", 2)
    for cell in by_day.keys() | database.day_counts.keys():
        (dimension, value), campaign, day = cell
        expected, found = by_day.get(cell, Totals()), database.day_counts.get(cell, Totals())
        if day < delivered_from:
            check.left_out += 1
            found = replace(found, delivered=expected.delivered, answered=expected.answered)
        check.expect_equal(
            f"{dimension}:{value} of {campaign or 'no campaign'} on {day}", expected=expected, found=found
        )
    return check


def totals_by_day(topics: TopicFacts, zone: ZoneInfo) -> TotalsByDay:
    """Totals per segment, campaign and day: answers on the day they were given, erased ones too; and on the day they
    were sent, surveys that were accepted and did not bounce, and those of them that were answered."""
    cells: defaultdict[tuple[Segment, str, date], Counter[str]] = defaultdict(Counter)
    answered: set[str] = set()
    for answer_id, state in topics.answers.items():
        counted = _counted(state, zone)
        if counted is not None:
            for segment in state.counted_in():
                cells[segment, state.campaign or "", counted.day][counted.group] += 1
            if counted.surveyed:
                # An erasure no longer names the survey, but the answer's id follows from it.
                answered.add(identity.answer_id(state.send_id) if state.send_id else answer_id)
    for sent in topics.sends.values():
        outcomes = topics.outcomes.get(sent.send_id, set())
        if outcomes & DELIVERED and not outcomes & NOT_DELIVERED:
            day = sent.sent_at.astimezone(zone).date()
            for segment in (EVERYBODY, *sent.segments):
                cell = cells[segment, sent.campaign, day]
                cell["delivered"] += 1
                cell["answered"] += identity.answer_id(sent.send_id) in answered
    return {
        at: Totals(
            Counts(promoters=cell["promoter"], passives=cell["passive"], detractors=cell["detractor"]),
            delivered=cell["delivered"],
            answered=cell["answered"],
        )
        for at, cell in cells.items()
    }


def delivered_from(topics: TopicFacts, zone: ZoneInfo) -> date:
    """The first day for whose surveys Kafka still retains every send and delivery."""
    incomplete = [
        topics.retained_since[name] for name in (sends.TOPIC, deliveries.TOPIC) if name in topics.retained_since
    ]
    if not incomplete:
        return date.min
    return max(min(since, LAST_DAY) for since in incomplete).astimezone(zone).date() + timedelta(days=1)


def _counted(state: AnswerState, zone: ZoneInfo) -> StillCounted | None:
    """What an answer counts as, erased or not; None for one whose erasure does not say it."""
    if state.score is None or state.answered_at is None:
        return state.still
    day = state.answered_at.astimezone(zone).date()
    return StillCounted(group=group_of(state.score), day=day, surveyed=state.send_id is not None)


def _expected_row(state: AnswerState, zone: ZoneInfo) -> ScorerAnswer:
    counted = _counted(state, zone)
    if counted is None:
        return ScorerAnswer(revision=state.revision, score=None, day=None, campaign="", segments=frozenset())
    return ScorerAnswer(
        revision=state.revision,
        score=state.score,
        day=counted.day,
        campaign=state.campaign or "",
        segments=state.segments,
        erased_group=counted.group if state.score is None else None,
    )


class _RedactedAnswer(tuple[object, ...]):
    """An answer's fields; compares all of them, and its repr omits what the customer wrote."""

    def __repr__(self) -> str:
        return f"revision {self[0]}, score {self[1]}, answered {self[2]}"


def _comparable(state: AnswerState | None) -> _RedactedAnswer | None:
    if state is None:
        return None
    if state.score is None:
        return _RedactedAnswer((state.revision, None, None))  # The collector keeps nothing else of an erased answer.
    return _RedactedAnswer(
        (state.revision, state.score, state.answered_at, state.campaign, state.segments, state.customer_id,
         state.send_id, state.comment, state.digest)
    )  # fmt: skip
