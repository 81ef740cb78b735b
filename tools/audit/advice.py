"""What a difference means, and what to do about it: one sentence for each kind, printed above its differences."""

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "order events accounted for": (
        "An order event has no decision, or not its own, so somebody may not be asked: look it up under "
        "GET /v1/customers/{id}/decisions, and have the shop send it again under a new event id."
    ),
    "unreadable records dead-lettered": (
        "A record was passed over without a trace: read it at its offset, and have its producer send it again."
    ),
    "timers recomputed": (
        "A survey would be sent at the wrong time, or not at all: any further event of the order sets its timer anew."
    ),
    "recurring timers recomputed": (
        "A recurring survey would come at the wrong time, or not at all: the customer's next order sets it anew."
    ),
    "requested surveys recomputed": (
        "A survey somebody requested would not be sent as requested: request it again under a new request id."
    ),
    "dead letters published": (
        "A dead letter's table and topic disagree: `hearback letters` lists the table, the record is in its own topic."
    ),
    "quiet periods kept": (
        "A customer was asked twice within the quiet period: compare the two decisions, and report it as an error."
    ),
    "nobody is asked against their will": (
        "Somebody was asked although they had said no, or could not be reached: apologise to them, compare the send "
        "with the customer's decisions, and report it."
    ),
    "preferences are known where surveys are decided": (
        "The dispatcher has other preferences of a customer than were published, and may ask them against their will: "
        "look at its dead letters of customers.preferences, and report it."
    ),
    "sent surveys were due": (
        "A survey was sent at another time than its campaign says: compare the send with the decisions about its "
        "order, and report it."
    ),
    "sent recurring surveys were due": (
        "A recurring survey was sent at another time than its campaign says: compare the send with the customer's "
        "decisions, and report it."
    ),
    "sends match decisions": (
        "What was sent is not what was decided: compare the send with the customer's decisions, and report it."
    ),
    "every send has one outcome": (
        "It is unknown, or told twice, what became of a survey, so its response rate is wrong: look at the courier's "
        "log for the send id."
    ),
    "sent surveys can be answered": (
        "A customer's link does not work, or would record another survey's answer: look at the collector's dead "
        "letters of surveys.sends, and report it."
    ),
    "mail delivered once": (
        "A survey arrived twice, or not at all although it was accepted: look for the send id in the mail server's log."
    ),
    "acknowledged answers are published": (
        "An answer that was acknowledged is not, or not as given, on surveys.answers: the collector's table has what "
        "the customer said."
    ),
    "published answers are in the scorer": (
        "The scorer counts another answer than was given: look at the scorer's dead letters, and report it."
    ),
    "comments match answers": (
        "The dashboard shows a comment nobody wrote, or not one that somebody did: the collector's table has what the "
        "customer wrote."
    ),
    "each answer has a key of its own": (
        "Two answers share one row in the scorer, so one of them is not counted: have its sender send it again under "
        "another answer id."
    ),
    "counts per day and segment": (
        "A day's counts are not the sum of its answers, so scores are wrong: compare them with the answers, and "
        "report it."
    ),
    "published scores": (
        "Consumers of nps.scores see a wrong score: if the counts above are right, have the sums of windows made anew "
        "(docs/scorer.md, Publishing)."
    ),
    "scores served over HTTP": (
        "The dashboard and GET /v1/nps show a wrong score: if the counts above are right, compare the settings with "
        "those of the audit."
    ),
    "no personal data of erased customers": (
        "Personal data outlived its erasure: erase the customer again, look at the table or topic named, and report it."
    ),
    "one case per answer": (
        "A customer is not heard, or heard as saying something else: the collector's table has the answer."
    ),
    "every detractor in the right queue": (
        "An unhappy customer waits in a queue where nobody may look for them: assign the case to somebody by hand."
    ),
    "deadlines follow the routing rules": (
        "Staff see an unhappy customer too late, or never as overdue: go by the time the answer was received, and "
        "report it as an error."
    ),
    "published cases": (
        "Consumers of followups topics see another case than the inbox shows: any change of the case publishes it "
        "again."
    ),
    "cases served over HTTP": "GET /v1/cases shows another case than the alerter has stored: report it as an error.",
    "the last record of a key is its newest": (
        "Compaction will keep an older record and delete the newer one, of an erasure, too: publish the newer one "
        "again, and find the process that wrote late."
    ),
    "no number goes back": (
        "A database or a topic was set back, and consumers ignore what carries a number they know: publish again what "
        "was written since, or let the consumers begin anew."
    ),
}
