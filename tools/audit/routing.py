"""Reads routing rules, by a second writing of what they mean."""

from datetime import timedelta
from typing import Any

from tools.audit.facts import RoutingRule
from tools.audit.from_topics import segments_of

SCORES_OF_GROUP = {
    "detractor": frozenset(range(7)),
    "passive": frozenset((7, 8)),
    "promoter": frozenset((9, 10)),
}


def routing_rules(document: dict[str, Any]) -> tuple[RoutingRule, ...]:
    """Parses routing rules."""
    return tuple(
        RoutingRule(
            queue=rule["queue"],
            scores=SCORES_OF_GROUP[rule["group"]]
            if rule.get("group")
            else frozenset(range(rule["scores"]["from"], rule["scores"]["to"] + 1)),
            campaign=rule.get("campaign"),
            segments=segments_of(rule.get("segments") or {}),
            sla=None if rule.get("sla_hours") is None else timedelta(seconds=rule["sla_hours"] * 3_600),
        )
        for rule in document["rules"]
    )
