"""Routing rules: what they decide, and that a file that cannot be used says so, naming rule, field and way out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerter.domain import revisions
from services.alerter.domain.routing import Routing, UnknownRootCause, parse, parse_stored
from shared.definitions import InvalidDefinition
from tests.unit.alerter.examples import NOON, answer, routing

GOOD = """
queues: {detractors: Unhappy, vip: Very important, others: Others}
rules:
  - {name: gold, group: detractor, segments: {tier: gold}, queue: vip, sla_hours: 1, suggested_action: Call}
  - {name: unhappy, group: detractor, queue: detractors, sla_hours: 24, suggested_action: Write}
  - {name: asked, scores: {from: 7, to: 10}, campaign: product-nps, queue: vip, suggested_action: Thank}
  - {name: others, scores: {from: 7, to: 10}, queue: others, suggested_action: Thank}
"""


@given(st.integers(0, 10))
def test_the_rules_shipped_route_every_score(score: int) -> None:
    rule = routing().rule_for(answer(score))
    assert rule.queue == ("detractors" if score <= 6 else "passives" if score <= 8 else "promoters")
    assert rule.sla_hours == (4 if score <= 2 else 24 if score <= 6 else None)


def test_nobody_is_asked_for_a_review_by_their_score() -> None:
    suggested = " ".join(rule.suggested_action for rule in routing().rules).lower()
    assert "review" not in suggested


@pytest.mark.parametrize(
    ("given", "queue"),
    [
        (answer(3), "detractors"),
        (answer(3, segments={"tier": "gold"}), "vip"),
        (answer(3, segments={"tier": ["silver", "gold"]}), "vip"),
        (answer(3, segments={"tier": "golden"}), "detractors"),
        (answer(8, campaign="product-nps"), "vip"),
        (answer(8, campaign="service-nps"), "others"),
    ],
)
def test_the_first_rule_that_fits_decides(given: object, queue: str) -> None:
    assert parse(GOOD, where="rules.yaml").rule_for(given).queue == queue  # type: ignore[arg-type]


def test_a_case_keeps_the_rule_that_routed_it_and_gets_another_only_when_that_is_gone() -> None:
    rules = parse(GOOD, where="rules.yaml")
    case = revisions.apply(None, answer(3), routing(), NOON)[0].case
    assert (case.rule, rules.rule_of(case)) == ("unhappy", rules.rules[1])
    gone = rules.rule_of(replace(case, rule="very unhappy"))
    assert gone is not None and gone.name == "unhappy"
    assert rules.rule_of(replace(case, rule="very unhappy", answer=None)) is None


def test_a_root_cause_is_one_of_the_list_or_none() -> None:
    routing().check_root_cause(None)
    routing().check_root_cause("Delivered late")
    with pytest.raises(UnknownRootCause, match=r"'Bad luck' is not among the root causes.*Delivered late"):
        routing().check_root_cause("Bad luck")
    with pytest.raises(UnknownRootCause, match="none"):
        parse(GOOD, where="rules.yaml").check_root_cause("Delivered late")


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "must be a mapping"),
        ("queues: [", "line 1: is not YAML"),
        ("[" * 50_000, "nested too deeply"),
        (changed("queues: {", "queues: &q {") + "root_causes: *q\n", "aliases (*name) are not supported"),
        ("x" * 200_000, "larger than 100,000 bytes"),
        (changed("queue: others", "queue: other"), "rule 'others' names the queue 'other'"),
        (changed("name: asked", "name: others"), "two rules are named 'others'"),
        (changed(", sla_hours: 24", ""), "rule 'unhappy' matches detractors and has no sla_hours"),
        (changed("sla_hours: 24", "sla_hours: 0"), "rules.1.sla_hours is 0: Input should be greater than 0"),
        (changed("sla_hours: 24", "sla: 24"), "rules.1.sla is not a known field"),
        (changed("name: others, scores: {from: 7, to: 10}", "name: others, group: promoter"), "score 7, 8"),
        (changed("campaign: product-nps, queue: vip", "queue: vip"), "rule 'others' can never apply"),
        (changed("scores: {from: 7, to: 10}, campaign", "scores: {from: 10, to: 7}, campaign"), "lower score first"),
        (changed("scores: {from: 7, to: 10}, campaign", "scores: {from: 7, to: 11}, campaign"), "is 11"),
        (changed("name: asked, ", "name: asked, group: passive, "), "give either group"),
        (changed("queues: {detractors: Unhappy,", "queues: {detractors: Unhappy, 'No Good': Bad,"), "No Good"),
    ],
)
def test_rules_that_cannot_be_used_say_why(document: str, said: str) -> None:
    with pytest.raises(InvalidDefinition) as raised:
        parse(document, where="rules.yaml")
    assert said in str(raised.value)


@given(st.text(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(str))
def test_any_text_is_rules_or_a_routing_error(document: str) -> None:
    try:
        assert isinstance(parse(document, where="rules.yaml"), Routing)
    except InvalidDefinition as error:
        assert str(error)


def test_rules_stored_before_aliases_were_refused_are_still_read() -> None:
    written = GOOD + "root_causes: [&late Late, *late]\n"
    with pytest.raises(InvalidDefinition, match="aliases"):
        parse(written, where="rules.yaml")
    assert parse_stored(written).root_causes == ["Late", "Late"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (
            changed(", sla_hours: 24", "").replace("queue: others", "queue: other").replace("asked", "gold"),
            ["two rules are named 'gold'", "rule 'unhappy' matches detractors", "names the queue 'other'"],
        ),
        (
            changed("sla_hours: 24", "sla_hours: 0").replace("queue: others", "queue: other"),
            ["rules.1.sla_hours is 0", "names the queue 'other'"],
        ),
        (
            changed("sla_hours: 24", "sla: 24").replace("queue: vip, suggested", "queue: no, suggested"),
            ["rules.1.sla is not a known field", "names the queue 'no'"],
        ),
        (changed("campaign: product-nps", "campaign: 7"), ["rules.2.campaign is 7"]),
        (changed("queues: {detractors: Unhappy,", "queues: {detractors: 7,"), ["queues.detractors is 7"]),
        (changed("name: others, ", ""), ["rules.3.name is missing"]),
    ],
)
def test_everything_that_is_wrong_is_told_at_once_and_nothing_else(document: str, told: list[str]) -> None:
    with pytest.raises(InvalidDefinition) as raised:
        parse(document, where="rules.yaml")
    sentences = str(raised.value).splitlines()
    assert len(sentences) == len(told)
    assert all(sum(said in sentence for sentence in sentences) == 1 for said in told)


def test_segments_of_a_rule_are_spelt_as_an_orders_are() -> None:
    rules = parse(changed("tier: gold", "country: no"), where="rules.yaml")
    assert rules.rule_for(answer(3, segments={"country": "NO"})).queue == "vip"
    assert rules.rule_for(answer(3, segments={"country": "BR"})).queue == "detractors"
