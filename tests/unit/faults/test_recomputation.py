"""Each check of the recomputation passes on a sound run, and finds what was planted in a damaged one."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.soak.evidence import WINDOWS, Evidence, Record
from tests.faults.soak.recomputation import CHECKS, recompute
from tests.faults.soak.recomputation.expected import Comparison, interval

OPENS = datetime(2026, 11, 1, 8, tzinfo=UTC)
POISON = b"\x00 not an order"


def at(hours: float) -> str:
    return (OPENS + timedelta(hours=hours)).isoformat()


@dataclass
class Run:
    """A small sound run: one detractor, who changed their mind, one who unsubscribed, one who was erased."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, list[Record]] = field(default_factory=dict)
    mails: list[str] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    decisions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    scores: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    leaks: dict[str, int] = field(default_factory=lambda: {"scorer.log": 0})

    def evidence(self) -> Evidence:
        return Evidence(
            entries=self.entries, records=self.records, mails=self.mails, scores=self.scores, cases=self.cases,
            decisions=self.decisions, leaks=self.leaks,
        )  # fmt: skip

    def write(self, kind: str, hours: float, **fields: Any) -> None:
        self.entries.append({"kind": kind, "at": at(hours), **fields})

    def publish(
        self, topic: str, key: str, kind: str, body: Mapping[str, Any], value: bytes | None = None, **headers: str
    ) -> Record:
        records = self.records.setdefault(topic, [])
        records.append(
            Record(
                topic=topic,
                partition=0,
                offset=len(records),
                key=key.encode(),
                type=kind,
                id=f"{key}/{len(records)}",
                value=repr(body).encode() if value is None else value,
                body=body,
                headers=[(name.replace("_", "-"), content.encode()) for name, content in headers.items()],
            )
        )
        return records[-1]

    def order(self, number: int) -> None:
        customer, order_id = f"c-{number}", f"o-{number}"
        body = {
            "order_id": order_id,
            "customer": {"id": customer, "email": f"p-{number}@mail.soak.example", "country": "BR", "tier": "gold"},
            "items": [{"category": "toys"}],
        }
        for hours, kind in ((0, "order.placed"), (4, "order.delivered")):
            event_id = f"{order_id}/{kind}"
            self.write(
                "event", hours, id=event_id, type=kind, order_id=order_id, customer_id=customer, body=body,
                acceptable=True,
            )  # fmt: skip
            decision = {"event": {"id": event_id}, "reason": "milestone_awaited", "order_id": order_id}
            self.decisions.setdefault(customer, []).append(decision)
        survey = {
            "send_id": f"s-{number}", "order_id": order_id, "customer_id": customer, "campaign": "soak-nps",
            "recipient": {"address": f"p-{number}@mail.soak.example"}, "due_at": at(12), "sent_at": at(12.1),
        }  # fmt: skip
        self.publish("surveys.sends", customer, "survey.sent", survey)
        self.publish("surveys.deliveries", f"s-{number}", "delivery.accepted", {"send_id": f"s-{number}"})
        self.mails.append(f"s-{number}")

    def answer(self, number: int, revision: int, score: int, hours: float, comment: str | None = None) -> None:
        self.write(
            "answered", hours + 0.2, send_id=f"s-{number}", score=score, comment=comment, answer_id=f"a-{number}",
            revision=revision, begun_at=at(hours),
        )  # fmt: skip
        body = {"answer_id": f"a-{number}", "revision": revision, "score": score, "answered_at": at(hours + 0.1)}
        kind = "answer.recorded" if revision == 1 else "answer.amended"
        self.publish("surveys.answers", f"a-{number}", kind, body)


@pytest.fixture
def run() -> Run:
    sound = Run()
    for number in range(3):
        sound.order(number)
    sound.answer(0, 1, 9, 13)
    sound.answer(0, 2, 3, 20)
    sound.answer(2, 1, 10, 14, comment="Nobody shall read this")
    sound.publish("followups.detractors", "case-0", "case.opened", {"sequence": 1})
    sound.cases.append(
        {
            "case_id": "case-0", "queue": "detractors", "status": "open", "answer": {"answer_id": "a-0", "score": 3},
            "customer": {"email": "p-0@mail.soak.example"},
        }
    )  # fmt: skip
    sound.write("unsubscribed", 15, send_id="s-1", address="p-1@mail.soak.example", begun_at=at(14.9))
    sound.write("seen", 15.1, key="c-1", type="preference.unsubscribed")
    sound.publish("customers.preferences", "c-1", "preference.unsubscribed", {"revision": 1})
    sound.write("erased", 16, customer_id="c-2", address="p-2@mail.soak.example", order_ids=["o-2"], begun_at=at(15.9))
    sound.publish("surveys.answers", "a-2", "answer.erased", {"answer_id": "a-2", "revision": 2})
    sound.write("poison", 17, topic="orders", key="poison-1", sha256=hashlib.sha256(POISON).hexdigest())
    for reader in ("dispatcher", "alerter"):
        sound.publish(
            f"orders.{reader}.dlq", "poison-1", "", {}, value=POISON, hearback_partition="0", hearback_offset="7"
        )
    counts = {"promoters": 1, "passives": 0, "detractors": 1, "n": 2}
    nps, low, high = interval(1, 0, 1)
    for window in WINDOWS:
        for segment in ("", "country:BR", "category:toys"):
            sound.scores[window, segment, ""] = {"at": at(40), "nps": nps, "low": low, "high": high, **counts}
    return sound


def differences(run: Run) -> dict[str, tuple[str, ...]]:
    found = recompute(run.evidence())
    return {name: comparison.differences for name, comparison in found.items() if comparison.differences}


def test_a_sound_run_has_no_differences(run: Run) -> None:
    assert differences(run) == {}


def test_a_key_that_was_removed_has_no_last_record(run: Run) -> None:
    records = run.records["customers.preferences"]
    records.append(replace(records[0], value=None, body={}, type=""))
    assert differences(run) == {}


def test_each_check_compares_something(run: Run) -> None:
    assert not [name for name, comparison in recompute(run.evidence()).items() if comparison.compared == 0]


def _without(records: Iterable[Record], kind: str) -> list[Record]:
    return [record for record in records if record.type != kind]


def lose_a_survey(run: Run) -> None:
    del run.records["surveys.sends"][1], run.records["surveys.deliveries"][1], run.mails[1]
    run.entries = [entry for entry in run.entries if entry["kind"] not in ("unsubscribed", "seen")]


def ask_twice(run: Run) -> None:
    first = run.records["surveys.sends"][0]
    again = {**first.body, "send_id": "s-0-again", "sent_at": at(100)}
    run.records["surveys.sends"].append(replace(first, body=again))
    run.publish("surveys.deliveries", "s-0-again", "delivery.bounced", {"send_id": "s-0-again"})


def ask_about_a_cancelled_order(run: Run) -> None:
    event = next(entry for entry in run.entries if entry["kind"] == "event")
    run.entries.append({**event, "id": "o-0/order.cancelled", "type": "order.cancelled", "at": at(11)})
    run.decisions["c-0"].append({"event": {"id": "o-0/order.cancelled"}, "reason": "order_cancelled"})


def ask_somebody_unsubscribed(run: Run) -> None:
    seen = next(entry for entry in run.entries if entry["kind"] == "seen")
    seen["at"] = at(11)


def ask_within_the_quiet_period(run: Run) -> None:
    run.order(7)
    survey = run.records["surveys.sends"][-1]
    run.records["surveys.sends"][-1] = replace(survey, body={**survey.body, "customer_id": "c-0"})


def decide_nothing(run: Run) -> None:
    run.decisions["c-0"].pop()


def decide_twice(run: Run) -> None:
    run.decisions["c-0"].append(run.decisions["c-0"][0])


def mail_twice(run: Run) -> None:
    run.mails.append("s-0")


def lose_a_mail(run: Run) -> None:
    run.mails.remove("s-0")


def leave_a_survey_unended(run: Run) -> None:
    run.records["surveys.deliveries"].pop()


def lose_an_answer(run: Run) -> None:
    run.records["surveys.answers"] = [
        record for record in run.records["surveys.answers"] if record.body["answer_id"] != "a-0"
    ]


def keep_the_first_score(run: Run) -> None:
    run.records["surveys.answers"] = _without(run.records["surveys.answers"], "answer.amended")


def make_an_answer_up(run: Run) -> None:
    body = {"answer_id": "a-9", "revision": 1, "score": 5, "answered_at": at(20)}
    run.publish("surveys.answers", "a-9", "answer.recorded", body)


def make_two_answers_of_one_key(run: Run) -> None:
    for number in range(2):
        run.write(
            "reported", 14, key="till", score=8, segments={}, answer_id=f"r-{number}", revision=1, begun_at=at(13.5)
        )


def open_no_case(run: Run) -> None:
    run.cases.clear()


def open_two_cases(run: Run) -> None:
    run.cases.append({**run.cases[0], "case_id": "case-1"})


def route_wrongly(run: Run) -> None:
    run.cases[0]["queue"] = "passives"


def count_an_answer_twice(run: Run) -> None:
    nps, low, high = interval(1, 0, 2)
    served = run.scores["30d", "country:BR", ""]
    served |= {"nps": nps, "low": low, "high": high, "detractors": 2, "n": 3}


def widen_the_interval(run: Run) -> None:
    run.scores["all", "", ""]["high"] += 0.01


def answer_on_another_day(run: Run) -> None:
    record = run.records["surveys.answers"][1]
    run.records["surveys.answers"][1] = replace(record, body={**record.body, "answered_at": at(60)})


def publish_an_old_revision_last(run: Run) -> None:
    run.records["surveys.answers"].append(run.records["surveys.answers"][0])


def lose_poison(run: Run) -> None:
    run.records["orders.alerter.dlq"].clear()


def change_poison(run: Run) -> None:
    run.records["orders.alerter.dlq"] = [replace(run.records["orders.alerter.dlq"][0], value=b"other")]


def show_the_erased(run: Run) -> None:
    run.cases[0]["customer"]["email"] = "P-2@mail.soak.example"


def keep_the_erased(run: Run) -> None:
    run.publish("customers.preferences", "c-2", "preference.erased", {"revision": 1, "who": "p-2@mail.soak.example"})


def keep_a_comment_of_the_erased(run: Run) -> None:
    run.publish(
        "surveys.campaigns", "soak-nps", "campaign.changed", {"campaign_version": 1, "said": "Nobody shall read this"}
    )


def decide_with_an_address_of_the_erased(run: Run) -> None:
    run.decisions["c-0"][0]["details"] = {"address": "p-2@mail.soak.example"}


def log_an_address(run: Run) -> None:
    run.leaks["scorer-2.log"] = 1


PLANTED: Mapping[str, tuple[Callable[[Run], None], ...]] = {
    "every order that had to be asked about was, once": (lose_a_survey, ask_twice),
    "no survey after what forbids it": (ask_about_a_cancelled_order, ask_somebody_unsubscribed),
    "quiet periods kept": (ask_within_the_quiet_period,),
    "every order event decided once": (decide_nothing, decide_twice),
    "every survey ended once, and is in the mailbox once at most": (mail_twice, lose_a_mail, leave_a_survey_unended),
    "every acknowledged answer kept, with its last score": (
        lose_an_answer, keep_the_first_score, make_an_answer_up, make_two_answers_of_one_key,
    ),
    "every detractor has one case, in the right queue": (open_no_case, open_two_cases, route_wrongly),
    "NPS as the journal has it": (count_an_answer_twice, widen_the_interval, answer_on_another_day),
    "the last record of every key is the newest": (publish_an_old_revision_last,),
    "all poison is in dead letters": (lose_poison, change_poison),
    "nothing of the erased is left": (
        show_the_erased, keep_the_erased, keep_a_comment_of_the_erased, decide_with_an_address_of_the_erased,
    ),
    "nothing personal in the logs": (log_an_address,),
}  # fmt: skip


def test_something_is_planted_for_each_check() -> None:
    assert PLANTED.keys() == CHECKS.keys()


@pytest.mark.parametrize(
    ("check", "plant"), [(check, plant) for check, plants in PLANTED.items() for plant in plants],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_what_is_planted_is_found(run: Run, check: str, plant: Callable[[Run], None]) -> None:
    plant(run)
    found: Comparison = CHECKS[check](run.evidence())
    assert found.differences
