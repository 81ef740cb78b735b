"""Promise 1: nobody is asked twice within the quiet period, and no survey goes out twice."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from tools.audit.facts import Awaited, DatabaseFacts, Sent, TopicFacts
from tools.audit.report import Check

OUTCOMES = {"delivery.accepted", "delivery.bounced", "delivery.failed"}


def quiet_periods(database: DatabaseFacts, default: timedelta) -> Check:
    """Between two sends to one customer lies the quiet period of the later one; a pair about one order is one asking.

    ``default`` holds for campaigns that name none of their own. Sends of earlier versions of a campaign are left out:
    what quiet period held then is written down nowhere.
    """
    check = Check("quiet periods kept", 1)
    by_customer: defaultdict[str, list[Sent]] = defaultdict(list)
    for sent in database.sends.values():
        if sent.customer_id is not None:
            by_customer[sent.customer_id].append(sent)
    for sends in by_customer.values():
        ordered = sorted(sends, key=lambda sent: (sent.sent_at, sent.send_id))
        check.compared += len(ordered)
        for number, later in enumerate(ordered):
            campaign = database.campaigns.get(later.campaign)
            if campaign is None:
                check.differs(f"send {later.send_id} is of the campaign {later.campaign}, which nobody knows")
                continue
            if later.campaign_version != campaign.version:
                check.left_out += 1
                continue
            quiet = default if campaign.quiet_period is None else campaign.quiet_period
            for earlier in reversed(ordered[:number]):
                if later.sent_at - earlier.sent_at >= quiet:
                    break
                if not _one_asking(earlier, later, database):
                    check.differs(
                        f"sends {earlier.send_id} and {later.send_id} to one customer are only "
                        f"{later.sent_at - earlier.sent_at} apart; the quiet period is {quiet}"
                    )
    return check


def sent_as_decided(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """The send ledger is ``surveys.sends``, and each of its sends has its verdict in the decision log."""
    check = Check("sends as decided", 1)
    verdicts = {decision.timer_id for decision in database.decisions if decision.outcome == "sent"}
    for timer_id in verdicts - {sent.timer_id for sent in database.sends.values()}:
        check.differs(f"the survey of timer {timer_id} was decided to be sent, and is not in the send ledger")
    for send_id, sent in database.sends.items():
        found = topics.sends.get(send_id)
        if found is None:
            if topics.keeps("surveys.sends", sent.sent_at):
                check.differs(f"send {send_id} was decided, and never published")
        else:
            check.same(f"send {send_id}", _gist(sent), _gist(found))
        if sent.timer_id not in verdicts:
            check.differs(f"send {send_id} has no decision that says so")
    for send_id in topics.sends.keys() - database.sends.keys():
        check.differs(f"send {send_id} was published, and never decided")
    check.each_once("the survey of timer", (sent.timer_id or sent.send_id for sent in database.sends.values()))
    return check


def awaited_by_collector(topics: TopicFacts, database: DatabaseFacts, now: datetime) -> Check:
    """Each published survey can be answered: the collector holds it as it was sent, at least until its link closes."""
    check = Check("surveys that can be answered", 1)
    for send_id, sent in topics.sends.items():
        held = database.awaited.get(send_id)
        if held is None:
            check.compared += 1
            if sent.expires_at > now:
                check.differs(
                    f"send {send_id} is unknown to the collector, and its link is open until {sent.expires_at}"
                )
        elif held.erased:
            check.same(f"send {send_id}, erased", (sent.sent_at, sent.expires_at), (held.sent_at, held.expires_at))
        else:
            check.same(f"send {send_id}", _awaited(sent), _awaited(held))
    for send_id in database.awaited.keys() - database.sends.keys():
        check.differs(f"the collector awaits an answer to {send_id}, which nobody decided to send")
    return check


def delivered_once(database: DatabaseFacts, message_send_ids: Iterable[str], *, all_kept: bool) -> Check:
    """The mail that arrived: no survey twice, none that nobody decided, and each that the courier calls accepted.

    A mailbox may keep the newest mails only; unless it has kept all, those it misses prove nothing.
    """
    check = Check("mail delivered once", 1)
    arrived = list(message_send_ids)
    check.each_once("the mail of send", arrived)
    if all_kept:
        accepted = {send_id for send_id, state in database.deliveries.items() if state == "delivery.accepted"}
        for send_id in accepted - set(arrived):
            check.differs(f"the mail of send {send_id} was accepted, and did not arrive")
    for send_id in set(arrived) - database.sends.keys():
        check.differs(f"a mail arrived for {send_id}, which nobody decided to send")
    return check


def outcomes_known(topics: TopicFacts, database: DatabaseFacts) -> tuple[Check, int]:
    """Each send got one outcome, the same in the courier's ledger and on ``surveys.deliveries``; and how many wait."""
    check = Check("every send has its outcome", 1)
    pending = 0
    for send_id in database.sends:
        state = database.deliveries.get(send_id)
        if state is None:
            check.compared += 1
            check.differs(f"send {send_id} is unknown to the courier")
        elif state in database.OPEN_DELIVERIES:
            pending += 1
        elif topics.keeps("surveys.deliveries", database.sends[send_id].sent_at):
            check.same(f"the outcome of send {send_id}", {state}, topics.outcomes.get(send_id, set()) & OUTCOMES)
    for send_id in database.deliveries.keys() - database.sends.keys():
        check.differs(f"the courier delivers {send_id}, which nobody decided to send")
    return check, pending


def _one_asking(one: Sent, other: Sent, database: DatabaseFacts) -> bool:
    first, second = database.campaigns.get(one.campaign), database.campaigns.get(other.campaign)
    return (
        first is not None
        and second is not None
        and one.order_id is not None
        and one.order_id == other.order_id
        and first.pair_with == second.id
        and second.pair_with == first.id
    )


def _gist(sent: Sent) -> tuple[object, ...]:
    return (
        sent.campaign, sent.campaign_version, sent.channel, sent.customer_id, sent.order_id,
        sent.due_at, sent.sent_at, sent.expires_at,
    )  # fmt: skip


def _awaited(sent: Sent | Awaited) -> tuple[object, ...]:
    return (
        sent.campaign, sent.campaign_version, sent.customer_id, sent.order_id,
        sent.sent_at, sent.expires_at, sent.segments,
    )  # fmt: skip
