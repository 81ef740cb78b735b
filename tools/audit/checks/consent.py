"""Promise 1, for those who do not want to be asked, or cannot be: what they said, and what became of their mail."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts import deliveries, preferences
from shared.contracts.requests import REQUESTED
from tools.audit.decision_log import DecisionLog
from tools.audit.facts import LATEST, ChannelState, DatabaseFacts, Preferences, Send, TopicFacts
from tools.audit.report import Check
from tools.audit.traces import comparable

ON_ITS_WAY = timedelta(seconds=5)
"""What was published so shortly before a survey, in real time, was not yet known where the survey was decided."""
ON_ITS_WAY_BY_THE_LEDGER = timedelta(hours=1)
"""The same by the ledgers' times, where Kafka no longer has both records."""
OPTED_OUT = ("unsubscribed", "complained")
REASON = {
    "unsubscribed": "its customer had unsubscribed",
    "complained": "its customer had complained",
    "bounced": "mail to its address had bounced",
}


@dataclass(frozen=True, slots=True)
class _Said:
    """``state`` holds since ``since``, by the loop's clock; ``published`` is when that was, in real time, if known."""

    since: datetime
    state: str
    published: datetime | None = None


def nobody_against_their_will(topics: TopicFacts, database: DatabaseFacts, log: DecisionLog) -> Check:
    """No survey was sent to somebody who had unsubscribed, complained or been erased by then, nor to an address at
    which mail had bounced or been complained about, whoever's it is.

    What the courier stopped is not counted. An erased customer may be asked about an order that began afterwards.
    """
    check = Check("nobody is asked against their will", 1)
    erased_at = _erasures(topics, database)
    of_customer, of_address = _of_customers(topics, database), _of_addresses(topics, erased_at)
    newer_orders = _OrdersByCustomer(database)
    for send_id, sent in database.sends.items():
        if database.deliveries.get(send_id) == deliveries.FAILED:
            continue
        check.compared += 1
        published = topics.sends.get(send_id, sent)
        if sent.customer_id is not None:
            state = _in_force(of_customer.get((sent.customer_id, sent.channel), ()), published)
            if state in OPTED_OUT:
                check.add_difference(f"send {send_id} was decided at {sent.sent_at}, after {REASON[state]}")
                continue
        state = _in_force(of_address.get((comparable(published.address or ""), sent.channel), ()), published)
        if state is not None:
            check.add_difference(f"send {send_id} was decided at {sent.sent_at}, after {REASON[state]}")
            continue
        erasure = erased_at.get(sent.customer_id or "")
        if erasure is not None and _is_after(erasure, published) and not newer_orders.allow(sent, erasure.since, log):
            check.add_difference(
                f"send {send_id} was decided at {sent.sent_at}, after an erasure, and not about a later order"
            )
    return check


def preferences_known(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """The dispatcher has the last preferences of each customer it has a row of, as the topic has them.

    Of customers erased long ago, the topic has none, and the dispatcher an empty one.
    """
    check = Check("preferences are known where surveys are decided", 1)
    newest = {
        customer_id: max(told, key=lambda each: each.revision) for customer_id, told in topics.preferences.items()
    }
    for customer_id, known in database.known_preferences.items():
        told = newest.get(customer_id)
        if told is None and not known.channels and customer_id in database.erased_customers:
            check.left_out += 1
            continue
        check.expect_equal(
            f"the preferences of customer {customer_id}", expected=_comparable(told), found=_comparable(known)
        )
    return check


def _comparable(told: Preferences | None) -> tuple[int, list[tuple[str, str, datetime]]] | None:
    """Without addresses, which an erasure removes from the table."""
    if told is None:
        return None
    return told.revision, sorted((each.channel, each.state, each.changed_at) for each in told.channels)


def _of_customers(topics: TopicFacts, database: DatabaseFacts) -> Mapping[tuple[str, str], list[_Said]]:
    """What was said about each customer's channels, oldest first."""
    found: defaultdict[tuple[str, str], dict[tuple[datetime, str], _Said]] = defaultdict(dict)
    ledgers: list[tuple[str, Preferences]] = [(who, each) for who, all_ in topics.preferences.items() for each in all_]
    ledgers += [*database.preferences.items(), *database.known_preferences.items()]
    for customer_id, told in ledgers:
        for said in told.channels:
            # The first record that says it is the one it was published with.
            known = found[customer_id, said.channel].setdefault((said.changed_at, said.state), _said(said, told))
            if told.published is not None and (known.published is None or told.published < known.published):
                found[customer_id, said.channel][said.changed_at, said.state] = _said(said, told)
    return {subject: sorted(said.values(), key=_rank) for subject, said in found.items()}


def _of_addresses(topics: TopicFacts, erased_at: Mapping[str, _Said]) -> Mapping[tuple[str, str], list[_Said]]:
    """The same for each address: what was said about it, and surveys to it that came back or were complained about.

    What becomes of mail to somebody who was erased meanwhile is not remembered.
    """
    found: defaultdict[tuple[str, str], list[_Said]] = defaultdict(list)
    for all_ in topics.preferences.values():
        for told in all_:
            for said in told.channels:
                if said.address:
                    found[comparable(said.address), said.channel].append(_said(said, told))
    for send_id, refused in topics.refused.items():
        sent = topics.sends.get(send_id)
        if sent is not None and sent.address:
            found[comparable(sent.address), sent.channel] += [
                _Said(each.at, "complained" if each.type == deliveries.COMPLAINED else "bounced", each.published)
                for each in refused
                if (erased := erased_at.get(sent.customer_id or "")) is None or each.at < erased.since
            ]
    return {subject: sorted(said, key=_rank) for subject, said in found.items()}


def _said(said: ChannelState, told: Preferences) -> _Said:
    return _Said(said.changed_at, said.state, told.published)


def _rank(said: _Said) -> tuple[datetime, bool]:
    """Of two things said at one time, the one that forbids counts."""
    return said.since, said.state != "allowed"


def _in_force(said: Iterable[_Said], sent: Send) -> str | None:
    """The state that forbade a survey when it was decided: the last word, but a complaint is never taken back."""
    state = None
    for each in said:
        if state != "complained" and each.since <= sent.sent_at and (each.state == "allowed" or _is_after(each, sent)):
            state = None if each.state == "allowed" else each.state
    return state


def _is_after(said: _Said, sent: Send) -> bool:
    """Whether the survey was decided after what was said, and could have been decided knowing it."""
    if said.since >= sent.sent_at:
        return False
    if said.published is None or sent.published is None:
        return sent.sent_at - said.since > ON_ITS_WAY_BY_THE_LEDGER
    return sent.published - said.published > ON_ITS_WAY


def _erasures(topics: TopicFacts, database: DatabaseFacts) -> Mapping[str, _Said]:
    erased = {
        customer_id: _Said(at, preferences.ERASED, topics.erasure_published.get(customer_id))
        for customer_id, at in topics.erased_customers.items()
    }
    for customer_id, at in database.erased_customers.items():
        if customer_id not in erased or erased[customer_id].since < at:
            erased[customer_id] = _Said(at, preferences.ERASED)
    return erased


class _OrdersByCustomer:
    """When each order began, as far as the dispatcher knew it at a given position of its log."""

    def __init__(self, database: DatabaseFacts) -> None:
        self._events: defaultdict[str, list[tuple[int, datetime]]] = defaultdict(list)
        self._orders: defaultdict[str, set[str]] = defaultdict(set)
        for decision in database.decisions:
            if decision.order_id is None or decision.occurred_at is None or decision.event_type in (None, REQUESTED):
                continue
            self._events[decision.order_id].append((decision.position, decision.occurred_at))
            self._orders[decision.customer_id].add(decision.order_id)

    def allow(self, sent: Send, erased_at: datetime, log: DecisionLog) -> bool:
        """Whether the survey is about an order that began after the erasure, or its customer had one by then."""
        verdict = log.verdicts.get(sent.timer_id or "")
        until = verdict.position if verdict is not None else None
        about = self._orders[sent.customer_id or ""] if sent.order_id is None else {sent.order_id}
        return any(self._began(order_id, until) > erased_at for order_id in about)

    def _began(self, order_id: str, until: int | None) -> datetime:
        """Later than anything while nothing was known about the order."""
        return min((at for position, at in self._events[order_id] if until is None or position < until), default=LATEST)
