"""Who was asked, how often, and what became of each survey."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from tests.faults.soak.evidence import Evidence
from tests.faults.soak.recomputation.expected import Comparison, bodies, moment, sends

STOPS = ("order.cancelled", "order.refunded", "order.returned")
ENDED_BY = ("delivery.accepted", "delivery.bounced", "delivery.failed")


def forbidden_surveys(evidence: Evidence) -> Comparison:
    """No survey after what forbids it was there to be read when it fell due."""
    stopped = {
        entry["order_id"]: moment(entry["at"])
        for entry in reversed(evidence.of_kind("event"))
        if entry["type"] in STOPS and entry["acceptable"]
    }
    silenced = _silenced(evidence)
    problems = []
    found = sends(evidence)
    for send_id, record in found.items():
        survey = record.body
        due_at = moment(survey["due_at"])
        if (order_stopped := stopped.get(survey["order_id"])) is not None and order_stopped < due_at:
            problems.append(f"the survey {send_id}, due {due_at}, is about an order stopped at {order_stopped}")
        reasons = silenced.get(survey["recipient"]["address"].lower(), [])
        problems += [
            f"the survey {send_id}, due {due_at}, went to somebody {what} at {since}"
            for since, what in reasons
            if since < due_at
        ]
    return Comparison(len(found), tuple(problems))


def asked_once(evidence: Evidence) -> Comparison:
    """Every order that had to be asked about was, once; of every other there is a decision."""
    by_order: dict[str, set[str]] = defaultdict(set)
    for send_id, record in sends(evidence).items():
        by_order[record.body["order_id"]].add(send_id)
    excused = {entry["order_id"] for entry in evidence.of_kind("event") if entry["type"] in STOPS}
    silenced = _silenced(evidence).keys() | {
        entry["address"].lower() for entry in (*evidence.of_kind("erased"), *evidence.of_kind("unsubscribed"))
    }
    problems = []
    orders = bodies(evidence)
    delivered = {entry["order_id"] for entry in evidence.of_kind("event") if entry["type"] == "order.delivered"}
    for order_id, body in orders.items():
        asked = by_order.get(order_id, set())
        if len(asked) > 1:
            problems.append(f"the order {order_id} was asked about {len(asked)} times")
        address = (body["customer"].get("email") or "").lower()
        if asked or order_id not in delivered or order_id in excused or address in silenced or not address:
            continue
        problems.append(f"the order {order_id} was not asked about, and nothing forbade it")
    return Comparison(len(orders), tuple(problems))


def quiet_periods(evidence: Evidence, *, quiet: timedelta = timedelta(days=2)) -> Comparison:
    """Nobody is sent two surveys within the quiet period. Who was not reached was not asked."""
    reached = {
        record.body["send_id"]
        for record in evidence.events("surveys.deliveries", *ENDED_BY)
        if record.type == "delivery.accepted" or record.body.get("reason") == "unknown_outcome"
    }
    sent: dict[str, list[datetime]] = defaultdict(list)
    for send_id, record in sends(evidence).items():
        if send_id not in reached:
            continue
        sent[record.body["customer_id"]].append(moment(record.body["sent_at"]))
    problems = []
    for customer_id, moments in sent.items():
        moments.sort()
        problems += [
            f"{customer_id} was sent a survey {after - before} after another"
            for before, after in pairwise(moments)
            if after - before < quiet
        ]
    return Comparison(len(sent), tuple(problems))


def decided_once(evidence: Evidence) -> Comparison:
    """Every acknowledged order event has one decision, with a reason; an unacceptable one is a dead letter."""
    problems = []
    events = {entry["id"]: entry for entry in evidence.of_kind("event")}
    dead = {record.id for record in evidence.records.get("orders.dispatcher.dlq", ()) if not record.poison}
    found = Counter(
        decision["event"]["id"]
        for decisions in evidence.decisions.values()
        for decision in decisions
        if decision["event"] is not None and decision["reason"]
    )
    erased = {entry["customer_id"] for entry in evidence.of_kind("erased")}
    guests = {customer for customer in evidence.decisions if not customer.startswith("c-")}
    for event_id, entry in events.items():
        if not entry["acceptable"]:
            if event_id not in dead:
                problems.append(f"the event {event_id} is from the future, and no dead letter")
        elif event_id in dead:
            problems.append(f"the event {event_id} is a dead letter, and nothing was wrong with it")
        elif entry["customer_id"] not in erased | guests and found[event_id] != 1:
            problems.append(f"the event {event_id} has {found[event_id]} decisions")
    return Comparison(len(events), tuple(problems))


def delivered_once(evidence: Evidence) -> Comparison:
    """Every survey has one ending; an accepted one is in the mailbox once, any other is not, unless it is unknown
    whether it is."""
    copies = Counter(evidence.mails)
    endings: dict[str, dict[str, str]] = defaultdict(dict)
    for record in evidence.events("surveys.deliveries", *ENDED_BY):
        endings[record.body["send_id"]][record.type] = record.body.get("reason") or ""
    problems = []
    found = sends(evidence)
    for send_id in found:
        ended = endings.get(send_id, {})
        if len(ended) != 1:
            problems.append(f"the survey {send_id} has {len(ended)} endings: {', '.join(ended) or 'none'}")
            continue
        ((ending, reason),) = ended.items()
        if reason == "unknown_outcome":
            continue
        if copies[send_id] != (1 if ending == "delivery.accepted" else 0):
            problems.append(f"the survey {send_id} ended as {ending} ({reason}), with {copies[send_id]} mails")
    problems += [f"the mailbox has a survey nobody sent: {send_id}" for send_id in copies.keys() - found.keys()]
    return Comparison(len(found), tuple(problems))


def _silenced(evidence: Evidence) -> dict[str, list[tuple[datetime, str]]]:
    """Who must not be written to, by address, and since when anybody could read it."""
    seen: dict[tuple[str, str], datetime] = {}
    for entry in evidence.of_kind("seen"):
        seen.setdefault((entry["key"], entry["type"]), moment(entry["at"]))
    addresses: dict[str, str] = {}
    for entry in evidence.of_kind("event"):
        customer = entry["body"]["customer"]
        if customer.get("email"):
            addresses[customer["id"]] = customer["email"].lower()
    found: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for (key, kind), at in seen.items():
        word = {"preference.unsubscribed": "unsubscribed", "preference.bounced": "unreachable"}.get(kind)
        if word is not None and key in addresses:
            found[addresses[key]].append((at, word))
        elif kind == "preference.erased" and key in addresses:
            found[addresses[key]].append((at, "erased"))
    return found
