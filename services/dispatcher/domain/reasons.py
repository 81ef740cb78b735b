"""The possible decisions (``Outcome``), their reasons (``Reason``), and the wording of both.

A code is stored in the log and returned by the API, so it never changes; its wording may.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.contracts.adjustments import Adjustment, Change
from shared.moments import to_the_minute

_ADJUSTED: Mapping[Change, str] = {
    "converted": "was understood, but is not written as the contract says",
    "cut": "was longer than the contract allows, and was cut",
    "left_out": "could not be understood, and was left out",
}


class _Code(StrEnum):
    """A code with its ``words``; ``{until}`` and ``{because_of}`` in them are filled in by ``explain``."""

    words: str

    def __new__(cls, code: str, words: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.words = words
        return member

    @classmethod
    def _missing_(cls, code: object) -> Self | None:
        """During an upgrade, a newer replica may have logged a code this one does not know: it is shown as is."""
        if not isinstance(code, str):
            return None
        unknown = str.__new__(cls, code)
        unknown._name_ = unknown._value_ = code
        unknown.words = code.replace("{", "{{").replace("}", "}}")
        return unknown


class Outcome(_Code):
    """The outcome of an order event, a request or a due timer. Its words begin the sentence."""

    TIMER_SET = "timer_set", "Survey scheduled:"
    TIMER_MOVED = "timer_moved", "Survey rescheduled:"
    TIMER_CANCELLED = "timer_cancelled", "Survey cancelled:"
    NO_TIMER = "no_timer", "No new survey:"
    SENT = "sent", "Sent:"
    DEFERRED = "deferred", "Deferred until {until}:"
    SKIPPED = "skipped", "Not sent:"


class Reason(_Code):
    """The reason. Its words end the sentence that an outcome begins."""

    ALREADY_ASKED = "already_asked", "the customer was already asked about this order"
    ALREADY_REQUESTED = "already_requested", "the survey this request asks for was already sent"
    ALREADY_STOPPED = "already_stopped", "the order had already been cancelled, refunded or returned"
    BOUNCED = "bounced", "email to this address bounced"
    CAMPAIGN_INACTIVE = "campaign_inactive", "the campaign is inactive"
    CANCELLATION_REVERSED = "cancellation_reversed", "the order was paid after this cancellation"
    COMPLAINED = "complained", "the customer reported an earlier email as spam"
    CUSTOMER_CHANGED = "customer_changed", "the order now belongs to another customer"
    DUE = "due", "it was due, and no rule held it back"
    ERASED = "erased", "the customer's data was erased"
    EXPIRED = "expired", "it is too late to ask"
    FAULT = "fault", "an error kept it from being decided; the dispatcher's log names it"
    MILESTONE_AWAITED = "milestone_awaited", "the campaign's milestone has not been reached"
    MILESTONE_MOVED = "milestone_moved", "the time of the campaign's milestone changed"
    MILESTONE_REACHED = "milestone_reached", "the campaign's milestone was reached, or its time is known"
    NO_ADDRESS = "no_address", "there is no email address to send it to"
    NO_CAMPAIGN_MATCHES = "no_campaign_matches", "no campaign asks about this event"
    NO_CHANGE = "no_change", "one about this order is already scheduled"
    NO_EVENT = "no_event", "there is no order event to ask about"
    NO_RECENT_ORDER = "no_recent_order", "the customer has not ordered recently"
    NOT_IN_AUDIENCE = "not_in_audience", "the customer or order is not in the campaign's audience"
    NOTHING_TO_CANCEL = "nothing_to_cancel", "the order ended, and there was no scheduled survey to cancel"
    ORDER_CANCELLED = "order_cancelled", "the order was cancelled"
    ORDER_REFUNDED = "order_refunded", "the order was refunded"
    ORDER_RETURNED = "order_returned", "the order was returned"
    QUIET_PERIOD = "quiet_period", "{because_of} asked this customer recently"
    RECURS = "recurs", "the campaign asks its customers at regular intervals"
    REFUNDED_IN_PART = "refunded_in_part", "only a part of the order was refunded, which does not end it"
    REQUESTED = "requested", "it was requested"
    SHARED_ID = "shared_id", "several people share this customer id, so it does not tell whom to ask"
    SHIPMENTS_AWAITED = "shipments_awaited", "other shipments of this order are still on their way"
    STANDS_ASIDE = "stands_aside", "{because_of}, which is more important, is due then"
    TOO_LATE = "too_late", "by the time this was known, it was too late to ask"
    UNKNOWN_CAMPAIGN = "unknown_campaign", "there is no campaign with this id"
    UNSUBSCRIBED = "unsubscribed", "the customer unsubscribed"
    UNUSABLE_ADDRESS = "unusable_address", "the email address has a typo: no mail server takes one like it"


_AHEAD: Mapping[Outcome, str] = {
    Outcome.SENT: "Would be sent:",
    Outcome.DEFERRED: "Would be deferred until {until}:",
    Outcome.SKIPPED: "Would not be sent:",
}


def explain(
    outcome: Outcome,
    reason: Reason,
    until: datetime | None = None,
    because_of: str | None = None,
    *,
    ahead: bool = False,
) -> str:
    """The outcome and its reason as one English sentence.

    ``until`` is when a deferred survey is checked again, or the earliest an expired one could have been sent;
    ``because_of`` is the campaign that stands in its way. ``ahead``: of a moment that is still to come.
    """
    words = _AHEAD.get(outcome, outcome.words) if ahead else outcome.words
    if ahead and outcome is Outcome.SENT:
        return f"{words} no rule would hold it back, as far as is known now."
    moment = "later" if until is None else to_the_minute(until)
    if (outcome, reason) == (Outcome.SKIPPED, Reason.EXPIRED) and until is not None and because_of is not None:
        return f"{words} it would have to wait for {because_of} until {moment}, and by then it is too late to ask."
    return f"{words} {reason.words}.".format(until=moment, because_of=because_of or "another campaign")


def explain_adjustment(adjustment: Adjustment) -> str:
    """What happened to a field of the event, as an English sentence."""
    return f"{adjustment.field} {_ADJUSTED.get(adjustment.change, adjustment.change)}."
