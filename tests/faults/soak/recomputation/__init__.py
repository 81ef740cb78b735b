"""Recomputes from the journal what must have come of it, and compares it with what can be seen from outside.

Written from the documentation, and shares no code with the product: a mistake made twice in different words would be
needed to pass unnoticed. Each check returns how much it compared, and a sentence for each difference.
"""

from collections.abc import Callable, Iterable, Mapping

from tests.faults.soak.evidence import Evidence
from tests.faults.soak.journal import Entry
from tests.faults.soak.recomputation import answers, records, surveys
from tests.faults.soak.recomputation.expected import Comparison, segments_of

Check = Callable[[Evidence], Comparison]
CHECKS: Mapping[str, Check] = {
    "every order that had to be asked about was, once": surveys.asked_once,
    "no survey after what forbids it": surveys.forbidden_surveys,
    "quiet periods kept": surveys.quiet_periods,
    "every order event decided once": surveys.decided_once,
    "every survey ended once, and is in the mailbox once at most": surveys.delivered_once,
    "every acknowledged answer kept, with its last score": answers.counted_once,
    "every detractor has one case, in the right queue": answers.one_case_each,
    "NPS as the journal has it": answers.scores_served,
    "the last record of every key is the newest": records.newest_last,
    "all poison is in dead letters": records.poison_set_aside,
    "nothing of the erased is left": records.nothing_of_the_erased,
    "nothing personal in the logs": records.nothing_personal_logged,
}


def recompute(evidence: Evidence) -> dict[str, Comparison]:
    return {name: check(evidence) for name, check in CHECKS.items()}


def segments_to_ask(entries: Iterable[Entry]) -> list[str]:
    """Every segment that an order of the journal may have counted in."""
    events = [entry["body"] for entry in entries if entry["kind"] == "event"]
    return sorted({segment for body in events for segment in segments_of(body)})
