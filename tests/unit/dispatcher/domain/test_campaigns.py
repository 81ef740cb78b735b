"""Definitions: what they may say, and the sentence for each that may not."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.campaign_review import mistakes
from services.dispatcher.domain.campaigns import Campaign, are_pair, parse, parse_folder
from services.dispatcher.domain.orders import STOPS
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.settings import SHIPPED_CAMPAIGNS, DispatcherSettings, read_campaigns
from shared.definitions import InvalidDefinition

ABOUT_ORDERS = "id: a\ntrigger: {after: order.placed, delay: 1 hour}\n"


def test_the_shipped_campaigns_are_as_promised() -> None:
    shipped = {campaign.id: campaign for campaign in read_campaigns(SHIPPED_CAMPAIGNS)}
    service, product, relationship = shipped["service-nps"], shipped["product-nps"], shipped["relationship-nps"]
    assert [(t.after, t.delay) for t in service.trigger] == [("order.placed", timedelta(hours=1))]
    assert [(t.after, t.delay) for t in product.trigger] == [("order.delivered", timedelta(days=30))]
    assert relationship.every == timedelta(days=90)
    assert are_pair(service, product)
    assert not are_pair(service, relationship)
    assert (
        service.quiet_for(DispatcherSettings.model_fields["quiet_period_days"].default * timedelta(days=1)).days == 90
    )
    assert all(campaign.stop_on == STOPS for campaign in shipped.values())


def test_a_definition_survives_being_written_as_json() -> None:
    for campaign in read_campaigns(SHIPPED_CAMPAIGNS):
        assert parse(campaign.model_dump_json(), where="json") == campaign


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("id: A", "id is 'A'"),
        ("trigger: {after: order.placed}", "id is missing"),
        ("id: a\ntrigger: {after: order.placed, delay: 1 fortnight}", "trigger.0.delay is '1 fortnight': write"),
        ("id: a\ntrigger: {after: order.eaten}", "trigger.0.after is 'order.eaten'"),
        ("id: a\ntrigger: []", "give either trigger"),
        (ABOUT_ORDERS + "every: 90 days", "give either trigger"),
        ("id: a\nevery: 1 hour", "at least"),
        (ABOUT_ORDERS + "priority: 0", "priority is 0"),
        (ABOUT_ORDERS + "colour: red", "colour is not a known field"),
        (ABOUT_ORDERS + "pair_with: a", "name another one"),
        (ABOUT_ORDERS + "audience: {shoe_size: 44}", "audience"),
        (ABOUT_ORDERS + "audience: {shoe_size: ['44']}", "'shoe_size' is not a segment"),
        (ABOUT_ORDERS + "texts: {en: {heading: hi}}", "texts.en.heading is not a known field"),
        ("[1, 2]", "must be a mapping"),
        ("id: [", "line 1: is not YAML"),
        ("id: &x a\nchannel: *x", "aliases"),
        ("id: 'a\x00b'", "not YAML"),
        ("x" * 70_000, "larger than"),
    ],
)
def test_what_breaks_a_rule_is_told_with_file_field_and_value(definition: str, said: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        parse(definition, where="some.yaml")
    assert str(refusal.value).startswith("some.yaml:")
    assert said in str(refusal.value)


@given(st.text(max_size=300))
def test_no_text_at_all_breaks_the_reader(written: str) -> None:
    try:
        parse(written, where="some.yaml")
    except InvalidDefinition as error:
        assert "some.yaml" in str(error)


def test_a_pair_must_be_declared_by_both() -> None:
    one = ABOUT_ORDERS + "pair_with: b\n"
    with pytest.raises(InvalidDefinition, match=r"one.yaml: pair_with is 'b', which does not exist"):
        parse_folder({"one.yaml": one})
    with pytest.raises(InvalidDefinition, match="does not name it back"):
        parse_folder({"one.yaml": one, "two.yaml": ABOUT_ORDERS.replace("id: a", "id: b")})


def test_an_id_is_given_once() -> None:
    with pytest.raises(InvalidDefinition, match=r"two.yaml: id 'a' is already used by one.yaml"):
        parse_folder({"one.yaml": ABOUT_ORDERS, "two.yaml": ABOUT_ORDERS})


def test_what_breaks_a_rule_and_what_could_never_match_are_told_at_once() -> None:
    written = """
id: a
priority: 0
trigger: {after: order.placed}
every: 90 days
audience: {country: br, tier: 7, shoe_size: "44", hat_size: "56"}
default_locale: portuguese
texts: {en: {heading: hi, question: "{nome}?"}}
"""
    with pytest.raises(InvalidDefinition) as refusal:
        parse(written, where="some.yaml", review=_all_mistakes)
    told = str(refusal.value).splitlines()
    assert all(sentence.startswith("some.yaml: ") for sentence in told)
    for said in (
        "priority is 0",
        "audience.tier is 7",
        "'shoe_size' is not a segment",
        "'hat_size' is not a segment",
        "texts.en.heading is not a known field",
        "give either trigger",
        "write 'BR'",
        "'portuguese' is no locale",
        "has {nome}",
    ):
        assert sum(said in sentence for sentence in told) == 1, said


def test_a_field_that_cannot_be_read_is_not_said_to_be_missing() -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        parse("id: A\ntrigger: {after: order.eaten}\naudience: {campaign: A}", where="some.yaml", review=_all_mistakes)
    assert [sentence.split()[1] for sentence in str(refusal.value).splitlines()] == ["id", "trigger.0.after"]


def test_every_file_that_is_wrong_is_told() -> None:
    files = {"one.yaml": "id: A", "two.yaml": ABOUT_ORDERS + "audience: {country: br}", "three.yaml": "["}
    with pytest.raises(InvalidDefinition) as refusal:
        parse_folder(files, review=_all_mistakes)
    assert {sentence.split(":")[0] for sentence in str(refusal.value).splitlines()} == set(files)


def _all_mistakes(campaign: Campaign) -> list[str]:
    return mistakes(campaign, Segmentation())
