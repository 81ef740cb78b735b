"""The catalogue of topics, and the order in which a service reads several."""

import pytest

from shared.contracts import followups
from shared.contracts.topics import CATALOGUE, CONSUMED_BY, Topic, by_name


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_every_topic_is_found_by_its_name_and_has_bodies(topic: Topic) -> None:
    assert by_name(topic.name) == topic
    assert topic.bodies


def test_an_unknown_topic_is_named() -> None:
    with pytest.raises(KeyError, match="no topic 'order'"):
        by_name("order")
    assert by_name("followups.vip").bodies[followups.OPENED] is followups.Case


def test_consumers_read_facts_before_what_builds_on_them() -> None:
    alerter = [topic.name for topic in CONSUMED_BY["alerter"]]
    assert alerter.index("orders") < alerter.index("surveys.sends") < alerter.index("surveys.answers")
