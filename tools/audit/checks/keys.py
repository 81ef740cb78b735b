"""Promise 6 as seen from the topics: nothing old was written after something newer, and no number was used twice."""

from collections.abc import Iterator

from shared.contracts import answers, campaigns, preferences, scores
from tools.audit.checks.answers import scorer_key
from tools.audit.facts import DatabaseFacts, TopicFacts
from tools.audit.histories import KeyHistory
from tools.audit.report import Check


def last_is_newest(topics: TopicFacts) -> Check:
    """On every compacted topic, the last record of each key is the one with the highest number, wherever it stands."""
    check = Check("the last record of a key is its newest", 6)
    for subject, history in _histories(topics):
        check.compared += 1
        if history.last < history.newest:
            check.add_difference(f"{subject}: the last record is number {history.last}, after number {history.newest}")
    for misplaced in topics.misplaced:
        check.add_difference(f"the record at {misplaced.location} of {misplaced.belongs_to} has another key")
    return check


def numbers_go_up(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """No number was given twice to different content; no owner is behind what it published, and no consumer ahead of
    what there is. Each of these happens when a database, or a topic, is set back to what it was before."""
    check = Check("no number goes back", 6)
    published: dict[tuple[str, str], int] = {}
    for (topic, _), of_partition in topics.histories.items():
        for key, history in of_partition.items():
            check.compared += 1
            published[topic, key] = max(history.newest, published.get((topic, key), 0))
            if history.reused is not None:
                check.add_difference(
                    f"{_readable(key)} on {topic}: number {history.reused} stands for two different records"
                )
    for topic, owned in _owned_numbers(database).items():
        for key, number in owned.items():
            found = published.get((topic, key), 0)
            check.expect_equal(f"the number of {_readable(key)} on {topic}", expected=number, found=found)
    for (consumer, topic, partition), position in database.positions.items():
        check.compared += 1
        end = topics.ends.get((topic, partition))
        if end is not None and position > end:
            check.add_difference(
                f"the {consumer} has handled {topic}, partition {partition}, up to {position}, but it ends at {end}"
            )
    return check


def keys_of_their_own(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """No two answers share the key under which the scorer stores them."""
    check = Check("each answer has a key of its own", 2)
    for ledger, known in (("the collector", database.answers), (answers.TOPIC, topics.answers)):
        owner_of: dict[str, str] = {}
        for answer_id in sorted(known):
            check.compared += 1
            owner = owner_of.setdefault(scorer_key(answer_id), answer_id)
            if owner != answer_id:
                check.add_difference(f"answers {owner} and {answer_id} of {ledger} share one key in the scorer")
    return check


def _owned_numbers(database: DatabaseFacts) -> dict[str, dict[str, int]]:
    """The numbers at which the tables are, of the topics that no other check compares with its table."""
    versions = {campaign.id: campaign.version for campaign in database.campaigns.values()}
    revisions = {customer_id: known.revision for customer_id, known in database.preferences.items()}
    return {campaigns.TOPIC: versions, preferences.TOPIC: revisions, scores.TOPIC: database.score_sequences}


def _histories(topics: TopicFacts) -> Iterator[tuple[str, KeyHistory]]:
    for (topic, partition), of_partition in topics.histories.items():
        for key, history in of_partition.items():
            yield f"{_readable(key)} on {topic}, partition {partition}", history


def _readable(key: str) -> str:
    return key.replace("\x1f", " ")
