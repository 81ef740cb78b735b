"""What became of each answer: it is kept, counted, and a detractor has a case."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from tests.faults.soak.evidence import Evidence
from tests.faults.soak.recomputation.expected import (
    Answer,
    Comparison,
    answers,
    erased_answers,
    group_of,
    interval,
    moment,
)

WINDOW_DAYS = {"7d": 7, "30d": 30, "90d": 90, "365d": 365, "all": None}


GROUPS = ("promoters", "passives", "detractors")


def counted_once(evidence: Evidence) -> Comparison:
    """Every acknowledged answer is on its topic with its last acknowledged score, and nothing else is."""
    expected = answers(evidence)
    erased = erased_answers(evidence)
    revisions = _revisions(evidence)
    problems = []
    for answer in expected.values():
        if answer.id in erased:
            continue
        known = revisions.get(answer.id)
        if not known:
            problems.append(f"the acknowledged answer {answer.id} is not on surveys.answers")
            continue
        last = known[max(known)]
        if last["score"] != answer.last["score"]:
            problems.append(
                f"the answer {answer.id} was last acknowledged with {answer.last['score']}, and its last revision "
                f"says {last['score']}"
            )
        scores = {int(entry["revision"]): entry["score"] for entry in answer.said}
        for revision, score in scores.items():
            if revision not in known or known[revision]["score"] != score:
                problems.append(f"revision {revision} of the answer {answer.id} was acknowledged and is not there")
    problems += [
        f"the answer {answer_id} is on surveys.answers, and nobody gave it" for answer_id in revisions.keys() - expected
    ]
    for key, ids in _ids_by_key(evidence).items():
        if len(ids) > 1:
            problems.append(f"one key of the backend, {key}, became {len(ids)} answers")
    return Comparison(len(expected), tuple(problems))


def one_case_each(evidence: Evidence) -> Comparison:
    """Every detractor has exactly one case, in a queue that the rules since their answer allow."""
    erased = erased_answers(evidence)
    cases: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for case in evidence.cases:
        if case.get("answer"):
            cases[case["answer"]["answer_id"]].append(case)
    problems = []
    compared = 0
    orders = answers(evidence)
    for answer in orders.values():
        score = answer.last["score"]
        if answer.id in erased or group_of(score) != "detractors":
            continue
        compared += 1
        own = cases.get(answer.id, [])
        if len(own) != 1:
            problems.append(f"the detractor's answer {answer.id} has {len(own)} cases")
            continue
        allowed = _queues(evidence, answer)
        if own[0]["queue"] not in allowed:
            problems.append(f"the case of {answer.id} is in {own[0]['queue']}, not in {' or '.join(sorted(allowed))}")
        if own[0]["answer"]["score"] != score:
            problems.append(f"the case of {answer.id} says {own[0]['answer']['score']}, and the customer {score}")
        if own[0]["status"] == "closed":
            problems.append(f"the case of {answer.id} is closed, and nobody closed it")
    return Comparison(compared, tuple(problems))


def scores_served(evidence: Evidence) -> Comparison:
    """NPS, its interval and its counts, of every window and segment."""
    revisions = _revisions(evidence)
    given: list[tuple[date, str, Answer]] = []
    problems = []
    for answer in answers(evidence).values():
        day, problem = _day(answer, revisions.get(answer.id, {}))
        problems += problem
        given.append((day, group_of(answer.last["score"]), answer))
    for (window, segment, campaign), served in evidence.scores.items():
        today = moment(served["at"]).date()
        days = WINDOW_DAYS[window]
        count = Counter(
            group
            for day, group, answer in given
            if (days is None or today - timedelta(days=days) < day)
            and day <= today
            and (not segment or segment in answer.segments)
            and (not campaign or answer.campaign == campaign)
        )
        nps, low, high = interval(count["promoters"], count["passives"], count["detractors"])
        wanted = {"nps": nps, "low": low, "high": high, "n": count.total(), **{name: count[name] for name in GROUPS}}
        different = {name: (value, served[name]) for name, value in wanted.items() if not _alike(value, served[name])}
        if different:
            told = ", ".join(f"{name} {theirs}, not {ours}" for name, (ours, theirs) in different.items())
            problems.append(f"{window} of {segment or 'everybody'} in {campaign or 'all campaigns'}: {told}")
    return Comparison(len(evidence.scores), tuple(problems))


def _revisions(evidence: Evidence) -> dict[str, dict[int, Mapping[str, Any]]]:
    """The bodies of each answer by revision, without its erasure."""
    found: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for record in evidence.events("surveys.answers", "answer.recorded", "answer.amended"):
        found[record.body["answer_id"]][record.body["revision"]] = record.body
    return found


def _ids_by_key(evidence: Evidence) -> dict[str, set[tuple[str, int]]]:
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for entry in evidence.of_kind("reported"):
        found[entry["key"]].add((entry["answer_id"], entry["revision"]))
    return found


def _queues(evidence: Evidence, answer: Answer) -> set[str]:
    """Those of every set of rules that was in force at some time since the score that decides was sent in."""
    tier = next((segment.partition(":")[2] for segment in answer.segments if segment.startswith("tier:")), "")
    since = moment(answer.last["begun_at"])
    allowed: set[str] = set()
    current: dict[str, str] = {}
    for entry in evidence.of_kind("routing"):
        if moment(entry["at"]) >= since:
            allowed.add(current.get(tier, "detractors"))
        current = entry["queues"]
    return allowed | {current.get(tier, "detractors")}


def _day(answer: Answer, revisions: Mapping[int, Mapping[str, Any]]) -> tuple[date, list[str]]:
    """The day an answer counts on: as its last revision says, which must lie between a request and its reply."""
    last = revisions.get(max(revisions, default=0))
    if last is None:
        return moment(answer.last["at"]).date(), [f"the answer {answer.id} has no revision that could be read"]
    answered_at = moment(last["answered_at"])
    spans = [(moment(entry["begun_at"]), moment(entry["at"])) for entry in answer.said]
    if not any(begun <= answered_at <= ended for begun, ended in spans):
        return answered_at.date(), [f"the answer {answer.id} says it was given at {answered_at}, when nobody gave it"]
    return answered_at.date(), []


def _alike(ours: float | None, theirs: float | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return abs(ours - theirs) < 1e-6
