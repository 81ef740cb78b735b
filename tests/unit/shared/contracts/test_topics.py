"""The catalogue of topics, and the order in which a service reads several."""

from shared.contracts import followups
from shared.contracts.topics import CATALOGUE, CONSUMED_BY, followup_topic


def test_every_topic_has_a_name_of_its_own_and_bodies() -> None:
    assert len({topic.name for topic in CATALOGUE}) == len(CATALOGUE)
    assert all(topic.bodies for topic in CATALOGUE)


def test_a_queue_of_a_shops_own_carries_cases() -> None:
    assert followup_topic("vip").name == "followups.vip"
    assert followup_topic("vip").bodies[followups.OPENED] is followups.Case


def test_consumers_read_facts_before_what_builds_on_them() -> None:
    alerter = [topic.name for topic in CONSUMED_BY["alerter"]]
    assert alerter.index("orders") < alerter.index("surveys.sends") < alerter.index("surveys.answers")
