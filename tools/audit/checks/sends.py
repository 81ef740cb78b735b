"""Promise 1: no customer is surveyed twice within the quiet period, and no survey is sent twice."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.contracts import deliveries, sends
from tools.audit.facts import BEGINNING_OF_TIME, LATEST, CollectorSend, DatabaseFacts, Send, TopicFacts
from tools.audit.report import Check

OUTCOMES = {deliveries.ACCEPTED, deliveries.BOUNCED, deliveries.FAILED}


def quiet_periods_kept(database: DatabaseFacts, default: timedelta) -> Check:
    """Two sends to one customer are at least the later one's quiet period apart; a declared pair about one order counts
    as one send, and one that did not arrive not at all.

    ``default`` applies to campaigns that do not set a quiet period. Sends of earlier versions of a campaign are
    left out: their quiet period is not recorded.
    """
    check = Check("quiet periods kept", 1)
    by_customer: defaultdict[str, list[Send]] = defaultdict(list)
    for sent in database.sends.values():
        if sent.customer_id is not None:
            by_customer[sent.customer_id].append(sent)
    for of_customer in by_customer.values():
        ordered = sorted(of_customer, key=lambda sent: (sent.sent_at, sent.send_id))
        check.compared += len(ordered)
        for number, later in enumerate(ordered):
            campaign = database.campaigns.get(later.campaign)
            if campaign is None:
                check.add_difference(f"send {later.send_id} belongs to the unknown campaign {later.campaign}")
                continue
            if later.campaign_version != campaign.version:
                check.left_out += 1
                continue
            quiet = default if campaign.quiet_period is None else campaign.quiet_period
            for earlier in reversed(ordered[:number]):
                if earlier.send_id in database.not_reached:
                    continue
                if later.sent_at - earlier.sent_at >= quiet:
                    break
                if not _declared_pair(earlier, later, database):
                    check.add_difference(
                        f"sends {earlier.send_id} and {later.send_id} to one customer are only "
                        f"{later.sent_at - earlier.sent_at} apart; the quiet period is {quiet}"
                    )
    return check


def sends_match_decisions(
    topics: TopicFacts, database: DatabaseFacts, *, forgotten_before: datetime = BEGINNING_OF_TIME
) -> Check:
    """The send ledger matches ``surveys.sends``, and each send has its verdict in the decision log.

    The dispatcher may have forgotten a survey from ``forgotten_before``, with everything else about its order, because
    the customer was erased.
    """
    check = Check("sends match decisions", 1)
    verdicts = {decision.timer_id for decision in database.decisions if decision.outcome == "sent"}
    decided_about = database.decided_about()
    for timer_id in verdicts - {sent.timer_id for sent in database.sends.values()}:
        check.add_difference(f"the survey of timer {timer_id} was decided to be sent, but is not in the send ledger")
    for send_id, sent in database.sends.items():
        found = topics.sends.get(send_id)
        if found is None:
            if topics.retains(sends.TOPIC, sent.sent_at):
                check.add_difference(f"send {send_id} was decided, but never published")
        else:
            check.expect_equal(f"send {send_id}", expected=_sent_fields(sent), found=_sent_fields(found))
        if sent.timer_id not in verdicts:
            check.add_difference(f"send {send_id} has no verdict in the decision log")
    for send_id in topics.sends.keys() - database.sends.keys():
        sent = topics.sends[send_id]
        if sent.sent_at < forgotten_before and (sent.order_id or sent.customer_id) not in decided_about:
            check.left_out += 1
        else:
            check.add_difference(f"send {send_id} was published, but never decided")
    check.expect_unique("the survey of timer", (sent.timer_id or sent.send_id for sent in database.sends.values()))
    return check


def surveys_answerable(
    topics: TopicFacts, database: DatabaseFacts, now: datetime, *, decided_since: datetime = BEGINNING_OF_TIME
) -> Check:
    """Each published survey can be answered: the collector stores it as sent, at least until its link expires.

    The dispatcher may have forgotten a survey from before ``decided_since``, or of an erased customer, with its
    customer.
    """
    check = Check("sent surveys can be answered", 1)
    for send_id, sent in topics.sends.items():
        held = database.collector_sends.get(send_id)
        if held is None:
            check.compared += 1
            if sent.expires_at > now:
                check.add_difference(
                    f"send {send_id} is unknown to the collector, but its link is valid until {sent.expires_at}"
                )
        elif held.erased:
            check.expect_equal(
                f"send {send_id}, erased",
                expected=(sent.sent_at, sent.expires_at),
                found=(held.sent_at, held.expires_at),
            )
        else:
            check.expect_equal(f"send {send_id}", expected=_collector_fields(sent), found=_collector_fields(held))
    for send_id in database.collector_sends.keys() - database.sends.keys():
        held = database.collector_sends[send_id]
        if held.erased or held.sent_at < decided_since:
            check.left_out += 1
            continue
        check.add_difference(f"the collector accepts answers to {send_id}, which was never decided to be sent")
    return check


def mail_delivered_once(
    database: DatabaseFacts,
    message_send_ids: Iterable[str],
    *,
    complete: bool,
    decided_since: datetime = BEGINNING_OF_TIME,
) -> Check:
    """The received mail: no survey twice, none that was not decided, and every one the courier recorded as accepted.

    A mailbox may keep only the newest emails; missing ones are a difference only when it is ``complete``. Emails are in
    the order in which they arrived: one that came before another from before ``decided_since`` may be about a survey
    that the dispatcher has forgotten with its customer.
    """
    check = Check("mail delivered once", 1)
    arrived = list(message_send_ids)
    check.expect_unique("the email of send", arrived)
    if complete:
        accepted = {send_id for send_id, state in database.deliveries.items() if state == deliveries.ACCEPTED}
        for send_id in accepted - set(arrived):
            check.add_difference(f"the email of send {send_id} was accepted, but did not arrive")
    unknown: set[str] = set()
    no_later_than = LATEST
    for send_id in reversed(arrived):
        sent = database.sends.get(send_id)
        if sent is not None:
            no_later_than = min(no_later_than, sent.sent_at)
        elif no_later_than < decided_since:
            check.left_out += 1
        else:
            unknown.add(send_id)
    for send_id in unknown:
        check.add_difference(f"an email arrived for {send_id}, which was never decided to be sent")
    return check


def outcomes_recorded(topics: TopicFacts, database: DatabaseFacts) -> tuple[Check, int]:
    """Each send has one outcome, the same in the courier's ledger and on ``surveys.deliveries``.

    Also returns how many deliveries are still open.
    """
    check = Check("every send has one outcome", 1)
    pending = 0
    for send_id in database.sends:
        state = database.deliveries.get(send_id)
        if state is None:
            check.compared += 1
            check.add_difference(f"send {send_id} is unknown to the courier")
        elif state in database.OPEN_DELIVERIES:
            pending += 1
        elif topics.retains(deliveries.TOPIC, database.sends[send_id].sent_at):
            check.expect_equal(
                f"the outcome of send {send_id}", expected={state}, found=topics.outcomes.get(send_id, set()) & OUTCOMES
            )
    for send_id in database.deliveries.keys() - database.sends.keys():
        check.add_difference(f"the courier delivers {send_id}, which was never decided to be sent")
    return check, pending


def _declared_pair(one: Send, other: Send, database: DatabaseFacts) -> bool:
    first, second = database.campaigns.get(one.campaign), database.campaigns.get(other.campaign)
    return (
        first is not None
        and second is not None
        and one.order_id is not None
        and one.order_id == other.order_id
        and first.pair_with == second.id
        and second.pair_with == first.id
    )


def _sent_fields(sent: Send) -> tuple[object, ...]:
    return (
        sent.campaign, sent.campaign_version, sent.channel, sent.customer_id, sent.order_id,
        sent.due_at, sent.sent_at, sent.expires_at,
    )  # fmt: skip


def _collector_fields(sent: Send | CollectorSend) -> tuple[object, ...]:
    return (
        sent.campaign, sent.campaign_version, sent.customer_id, sent.order_id,
        sent.sent_at, sent.expires_at, sent.segments,
    )  # fmt: skip
