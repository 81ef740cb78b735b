"""The catalogue of topics: every topic, its event types, and how long Kafka keeps them.

``python -m shared.contracts.generate`` turns it into the AsyncAPI document; ``shared.messaging.topics`` creates the
topics from it. No topic is created automatically.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.contracts import (
    answers,
    campaigns,
    deliveries,
    followups,
    orders,
    preferences,
    requests,
    scores,
    sends,
    sessions,
    shared_ids,
)
from shared.contracts.adjustments import Adjust, adjusted_order
from shared.contracts.types import Contract

DAY_MILLISECONDS = 86_400_000
FORGET_DAYS = 3.0
"""The default bound for what was erased, or has aged, to have left Kafka's disks."""
DEAD_LETTER_SUFFIX = ".dlq"
QUEUES = ("detractors", "passives", "promoters")


def segment_seconds(forget_days: float) -> float:
    """After how long a segment is closed, and how often one that is quiet is looked at; real time."""
    return forget_days * DAY_MILLISECONDS / 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """``key`` describes the record key; ``retention_days`` is None if records are kept until compacted.

    ``adjust`` brings a body that breaks its contract as close to it as it can; None where our own services publish.
    ``occurred_at`` says when an event with this body happened, where that may be wrong: by the clock of somebody else.
    """

    name: str
    key: str
    bodies: dict[str, type[Contract]]
    partitions: int
    retention_days: int | None
    compacted: bool = False
    summary: str = ""
    adjust: Adjust | None = None
    occurred_at: Callable[[Contract], datetime] | None = None

    def configuration(self, forget_days: float = FORGET_DAYS) -> dict[str, str]:
        """Kafka's topic settings for this entry.

        ``forget_days`` bounds how long a record stays on disk after a newer one with its key has replaced it, or after
        ``retention_days``. Kafka compacts closed segments only, so these must be short, too, and closed even where
        nothing is written (``shared/messaging/segments.py``). That takes up to two thirds of the time, and the last is
        for Kafka to compact them.
        """
        policy = "compact" if self.compacted else "delete"
        if self.compacted and self.retention_days is not None:
            policy = "compact,delete"
        retention = -1 if self.retention_days is None else self.retention_days * DAY_MILLISECONDS
        third = str(int(segment_seconds(forget_days) * 1_000))
        settings = {
            "cleanup.policy": policy,
            "retention.ms": str(retention),
            "segment.ms": third,
            # By the broker's clock: a producer's may be wrong, and a record may be long on its way. How long a record
            # is kept depends on it, and whether a decision could have known of it.
            "message.timestamp.type": "LogAppendTime",
        }
        # A record that removes its key is itself removed after the last of these.
        compacting = ("max.compaction.lag.ms", "delete.retention.ms")
        return settings | (dict.fromkeys(compacting, third) if self.compacted else {})


ORDERS = Topic(
    name=orders.TOPIC,
    key="customer id",
    bodies=dict.fromkeys(orders.TYPES, orders.OrderEvent),
    partitions=6,
    retention_days=7,
    summary="What happened to an order, as reported by the shop's backend.",
    adjust=adjusted_order,
    occurred_at=orders.occurred_at,
)
CAMPAIGNS = Topic(
    name=campaigns.TOPIC,
    key="campaign id",
    bodies={campaigns.PUBLISHED: campaigns.CampaignPublished},
    partitions=1,
    retention_days=None,
    compacted=True,
    summary="Published campaign definitions: questions, texts, brand.",
)
SENDS = Topic(
    name=sends.TOPIC,
    key="customer id",
    bodies={sends.SENT: sends.SurveySent, sends.REMINDED: sends.SurveySent},
    partitions=6,
    retention_days=30,
    summary="Surveys the dispatcher decided to send.",
)
DELIVERIES = Topic(
    name=deliveries.TOPIC,
    key="send id",
    bodies=dict.fromkeys(
        (
            deliveries.ACCEPTED,
            deliveries.DELIVERED,
            deliveries.BOUNCED,
            deliveries.COMPLAINED,
            deliveries.FAILED,
            deliveries.OPENED,
            deliveries.CLICKED,
        ),
        deliveries.Delivery,
    ),
    partitions=6,
    retention_days=30,
    summary="What happened to a survey on its way to the customer.",
)
ANSWERS = Topic(
    name=answers.TOPIC,
    key="answer id",
    bodies={
        answers.RECORDED: answers.Answer,
        answers.AMENDED: answers.Answer,
        answers.ERASED: answers.AnswerErased,
    },
    partitions=6,
    retention_days=None,
    compacted=True,
    summary="Confirmed answers, their amendments and their erasure.",
)
SCORES = Topic(
    name=scores.TOPIC,
    key="campaign, window and segment, joined by U+001F",
    bodies={scores.UPDATED: scores.ScoreUpdated},
    partitions=3,
    retention_days=None,
    compacted=True,
    summary="The score of each campaign, window and segment, each time it changes.",
)
PREFERENCES = Topic(
    name=preferences.TOPIC,
    key="customer id",
    bodies=dict.fromkeys(
        (
            preferences.UNSUBSCRIBED,
            preferences.RESUBSCRIBED,
            preferences.BOUNCED,
            preferences.COMPLAINED,
            preferences.ERASED,
        ),
        preferences.Preference,
    ),
    partitions=6,
    retention_days=None,
    compacted=True,
    summary="Which channels a customer allows, and whether their addresses still work.",
)
SHARED_IDS = Topic(
    name=shared_ids.TOPIC,
    key="customer id",
    bodies={shared_ids.FOUND: shared_ids.SharedId},
    partitions=1,
    retention_days=None,
    compacted=True,
    summary="Customer ids that turned out to be those of several people.",
)
REQUESTS = Topic(
    name=requests.TOPIC,
    key="customer id",
    bodies={requests.REQUESTED: requests.SurveyRequested},
    partitions=3,
    retention_days=30,
    summary="Requests to survey a customer, such as after a resolved case.",
)

SESSIONS = Topic(
    name=sessions.TOPIC,
    key="session id",
    bodies={sessions.ENDED: sessions.SessionEnded},
    partitions=1,
    retention_days=1,
    summary="Sessions of staff who signed out, for every service with pages.",
)

_CASE_BODIES: dict[str, type[Contract]] = dict.fromkeys(
    (
        followups.OPENED,
        followups.ASSIGNED,
        followups.CONTACTED,
        followups.ESCALATED,
        followups.REOPENED,
        followups.CLOSED,
    ),
    followups.Case,
)


def followup_topic(queue: str) -> Topic:
    """The topic of one follow-up queue; queues come from the routing rules."""
    return Topic(
        name=followups.topic_of(queue),
        key="case id",
        bodies=_CASE_BODIES,
        partitions=3,
        retention_days=90,
        compacted=True,
        summary=f"Cases of the queue {queue}: the whole case, each time it changes.",
    )


def dead_letter_topic(topic: str, *, service: str) -> Topic:
    """The topic for records a service cannot read: the raw bytes, their origin and the reason."""
    return Topic(
        name=f"{topic}.{service}{DEAD_LETTER_SUFFIX}",
        key="the key of the record that could not be read",
        bodies={},
        partitions=1,
        retention_days=30,
        summary=f"Records of {topic} that {service} could not read.",
    )


CATALOGUE: tuple[Topic, ...] = (
    ORDERS,
    CAMPAIGNS,
    SENDS,
    DELIVERIES,
    ANSWERS,
    SCORES,
    PREFERENCES,
    SHARED_IDS,
    REQUESTS,
    SESSIONS,
    *(followup_topic(queue) for queue in QUEUES),
)

LONGEST_RETENTION_DAYS = max(topic.retention_days or 0 for topic in CATALOGUE if not topic.compacted)

_COMPACTED = frozenset(topic.name for topic in CATALOGUE if topic.compacted)


def is_compacted(topic: str) -> bool:
    """Whether a record of this topic replaces those before it of the same key; also for queues from routing rules."""
    of_a_queue = topic.startswith(followups.TOPIC_PREFIX) and not topic.endswith(DEAD_LETTER_SUFFIX)
    return topic in _COMPACTED or of_a_queue


_PUBLISHES_COMPACTED = {
    CAMPAIGNS.name: "dispatcher",
    SHARED_IDS.name: "dispatcher",
    ANSWERS.name: "collector",
    PREFERENCES.name: "collector",
    SCORES.name: "scorer",
}


def compacted_topics_of(service: str, names: Iterable[str]) -> list[str]:
    """Those among the names of topics that this service publishes to and that are compacted, in order."""
    return sorted(name for name in names if is_compacted(name) and _PUBLISHES_COMPACTED.get(name, "alerter") == service)


CONSUMED_BY: dict[str, tuple[Topic, ...]] = {
    "dispatcher": (ORDERS, PREFERENCES, REQUESTS),
    "courier": (SENDS,),
    # Deliveries need the stronger lock on what waits for its send (services/collector/actions/deliveries.py).
    "collector": (CAMPAIGNS, SHARED_IDS, DELIVERIES, SENDS),
    "scorer": (SESSIONS, SENDS, DELIVERIES, ANSWERS),
    "alerter": (SESSIONS, PREFERENCES, SHARED_IDS, ORDERS, SENDS, ANSWERS),
}
"""Which service reads which topics, in the order in which a batch is handled: facts before what depends on them."""
