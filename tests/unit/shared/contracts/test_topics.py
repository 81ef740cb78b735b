"""The catalogue of topics, and the order in which a service reads several."""

from shared.contracts import followups
from shared.contracts.topics import CATALOGUE, CONSUMED_BY, compacted_topics_of, followup_topic


def test_every_topic_has_a_name_of_its_own_and_bodies() -> None:
    assert len({topic.name for topic in CATALOGUE}) == len(CATALOGUE)
    assert all(topic.bodies for topic in CATALOGUE)


def test_a_queue_of_a_shops_own_carries_cases() -> None:
    assert followup_topic("vip").name == "followups.vip"
    assert followup_topic("vip").bodies[followups.OPENED] is followups.Case


def test_consumers_read_facts_before_what_builds_on_them() -> None:
    alerter = [topic.name for topic in CONSUMED_BY["alerter"]]
    assert alerter.index("orders") < alerter.index("surveys.sends") < alerter.index("surveys.answers")


def test_every_compacted_topic_has_one_service_that_looks_after_it() -> None:
    names = [topic.name for topic in CATALOGUE] + ["followups.vip", "followups.vip.courier.dlq"]
    compacted = [topic.name for topic in CATALOGUE if topic.compacted] + ["followups.vip"]
    assert compacted_topics_of("alerter", names) == sorted(name for name in compacted if "followups" in name)
    looked_after = [name for service in CONSUMED_BY for name in compacted_topics_of(service, names)]
    assert sorted(looked_after) == sorted(compacted)
