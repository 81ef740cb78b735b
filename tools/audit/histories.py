"""What the records of one key say, one after the other: on a compacted topic, the last of them is what remains."""

from dataclasses import dataclass

from shared.contracts import answers, campaigns, followups, preferences, scores
from tools.audit.records import Event, Location, Record


@dataclass(slots=True)
class KeyHistory:
    """The records of a key in one partition, by the number each carries: an answer's revision, a score's or a case's
    sequence, a campaign's version. A record that was published again carries the same number and the same content."""

    newest: int
    last: int
    content: int
    """A hash of the newest record's body."""
    reused: int | None = None
    """A number that two records with different content carry, if there is one."""

    def add(self, number: int, content: int) -> None:
        self.last = number
        if number > self.newest:
            self.newest, self.content = number, content
        elif number == self.newest and content != self.content:
            self.reused = number


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A record under another key than its body says: compaction keeps one record of a key."""

    location: Location
    belongs_to: str


Histories = dict[tuple[str, int], dict[str, KeyHistory]]
"""By topic and partition, then by key."""


def add_record(histories: Histories, record: Record, event: Event) -> Misplaced | None:
    """Adds a readable record of a compacted topic; what is on the other topics is ignored.

    Raises KeyError or TypeError for a body that does not say what its key and number are.
    """
    identified = _key_and_number(record.topic, event)
    if identified is None:
        return None
    key, number = identified
    content = hash(record.value)
    of_partition = histories.setdefault((record.topic, record.partition), {})
    history = of_partition.get(key)
    if history is None:
        of_partition[key] = KeyHistory(newest=number, last=number, content=content)
    else:
        history.add(number, content)
    return None if record.key == key.encode() else Misplaced(record.location, key)


def _key_and_number(topic: str, event: Event) -> tuple[str, int] | None:
    body = event.body
    if topic.startswith(followups.TOPIC_PREFIX):
        return body["case_id"], int(body["sequence"])
    match topic:
        case answers.TOPIC:
            return body["answer_id"], int(body["revision"])
        case scores.TOPIC:
            key = scores.score_key(campaign=body["campaign"], window=body["window"], segment=body["segment"])
            return key, int(body["sequence"])
        case preferences.TOPIC:
            return body["customer_id"], int(body["revision"])
        case campaigns.TOPIC:
            return body["campaign"], int(body["campaign_version"])
        case _:
            return None
