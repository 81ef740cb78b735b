"""The catalogue of topics, and the order in which a service reads several."""

import re
from pathlib import Path

from shared.contracts import followups
from shared.contracts.topics import (
    CATALOGUE,
    CONSUMED_BY,
    FORGET_DAYS,
    compacted_topics_of,
    dead_letter_topic,
    followup_topic,
)


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


def test_the_documentation_says_by_when_each_topic_has_forgotten_a_person() -> None:
    text = (Path(__file__).parents[4] / "docs/security.md").read_text()
    table = text.partition("## How soon what was erased is gone\n")[2].partition("\n\n")[0]
    said: dict[str, str] = {}
    for line in table.splitlines():
        _, names, by_when, _ = line.split("|")
        said |= dict.fromkeys(re.findall(r"`([a-z.<>]+)`", names), by_when.strip())
    queue, dead_letters = followup_topic("<queue>"), dead_letter_topic("<topic>", service="<process>")
    topics = {topic.name: topic for topic in (*CATALOGUE, queue, dead_letters)}
    for topic in CATALOGUE:
        if topic.name.startswith(followups.TOPIC_PREFIX):
            del topics[topic.name]
    assert said.keys() - {"retention.ms", "outbox"} == topics.keys()
    for name, topic in topics.items():
        if "nothing about customers" in said[name]:
            assert not topic.key.startswith("customer")
        elif topic.compacted:
            assert said[name].startswith(f"`HEARBACK_FORGET_DAYS` ({FORGET_DAYS:g}) after")
        else:
            assert said[name].startswith(f"{topic.retention_days} + {FORGET_DAYS / 3:g} days")
