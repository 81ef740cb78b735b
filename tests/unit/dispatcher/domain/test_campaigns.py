"""Definitions: what they may say, and the sentence for each that may not."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.actions import campaigns as catalogue
from services.dispatcher.domain import campaigns, durations
from services.dispatcher.domain.campaigns import InvalidCampaign, are_pair, parse
from services.dispatcher.settings import SHIPPED_CAMPAIGNS, DispatcherSettings

ABOUT_ORDERS = "id: a\ntrigger: {after: order.placed, delay: 1 hour}\n"


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("1 hour", timedelta(hours=1)),
        ("30 days", timedelta(days=30)),
        ("90minutes", timedelta(minutes=90)),
        ("0 days", timedelta(0)),
        (" 2 Weeks ", timedelta(weeks=2)),
    ],
)
def test_durations_are_written_as_people_write_them(written: str, length: timedelta) -> None:
    assert durations.parse(written) == length


@pytest.mark.parametrize("written", ["", "soon", "-1 days", "1 fortnight", "1.5 hours", 3, None, "4000 days", "٣ days"])
def test_other_durations_are_refused(written: object) -> None:
    with pytest.raises(ValueError, match="write"):
        durations.parse(written)


@given(
    st.timedeltas(timedelta(0), durations.LONGEST).map(lambda length: timedelta(seconds=int(length.total_seconds())))
)
def test_a_duration_is_read_back_as_it_was_written(length: timedelta) -> None:
    assert durations.parse(durations.write(length)) == length


@pytest.mark.parametrize("written", ["1 week", "2 weeks", "10 days", "1 hour", "90 minutes", "1 second", "0 days"])
def test_a_duration_is_written_in_the_largest_unit_that_fits(written: str) -> None:
    assert durations.write(durations.parse(written)) == written


def test_the_shipped_campaigns_are_as_promised() -> None:
    shipped = {campaign.id: campaign for campaign in catalogue.read_folder(SHIPPED_CAMPAIGNS)}
    service, product, relationship = shipped["service-nps"], shipped["product-nps"], shipped["relationship-nps"]
    assert [(t.after, t.delay) for t in service.trigger] == [("order.placed", timedelta(hours=1))]
    assert [(t.after, t.delay) for t in product.trigger] == [("order.delivered", timedelta(days=30))]
    assert relationship.every == timedelta(days=90)
    assert are_pair(service, product)
    assert not are_pair(service, relationship)
    assert (
        service.quiet_for(DispatcherSettings.model_fields["quiet_period_days"].default * timedelta(days=1)).days == 90
    )
    assert all(campaign.stop_on == campaigns.STOPS for campaign in shipped.values())


def test_a_definition_survives_being_written_as_json() -> None:
    for campaign in catalogue.read_folder(SHIPPED_CAMPAIGNS):
        assert parse(campaign.model_dump_json(), "json") == campaign


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
        (ABOUT_ORDERS + "priority: 0", "priority is '0'"),
        (ABOUT_ORDERS + "colour: red", "colour is no field"),
        (ABOUT_ORDERS + "pair_with: a", "names another campaign"),
        (ABOUT_ORDERS + "audience: {shoe_size: 44}", "audience"),
        (ABOUT_ORDERS + "audience: {shoe_size: ['44']}", "'shoe_size' is no segment"),
        (ABOUT_ORDERS + "texts: {en: {heading: hi}}", "texts.en.heading is no field"),
        ("[1, 2]", "must be a mapping"),
        ("id: [", "line 1: is not YAML"),
        ("id: &x a\nchannel: *x", "aliases"),
        ("id: 'a\x00b'", "not YAML"),
        ("x" * 70_000, "larger than"),
    ],
)
def test_what_breaks_a_rule_is_told_with_file_field_and_value(definition: str, said: str) -> None:
    with pytest.raises(InvalidCampaign) as refusal:
        parse(definition, "some.yaml")
    assert str(refusal.value).startswith("some.yaml:")
    assert said in str(refusal.value)


@given(st.text(max_size=300))
def test_no_text_at_all_breaks_the_reader(written: str) -> None:
    try:
        parse(written, "some.yaml")
    except InvalidCampaign as error:
        assert "some.yaml" in str(error)


def folder(tmp_path: Path, **files: str) -> Path:
    for name, written in files.items():
        (tmp_path / f"{name}.yaml").write_text(written)
    return tmp_path


def test_a_pair_must_be_declared_by_both(tmp_path: Path) -> None:
    one = ABOUT_ORDERS + "pair_with: b\n"
    with pytest.raises(InvalidCampaign, match=r"one.yaml: pair_with is 'b', which is not there"):
        catalogue.read_folder(folder(tmp_path, one=one))
    with pytest.raises(InvalidCampaign, match="does not say so"):
        catalogue.read_folder(folder(tmp_path, one=one, two=ABOUT_ORDERS.replace("id: a", "id: b")))


def test_an_id_is_given_once_and_an_empty_folder_is_no_installation(tmp_path: Path) -> None:
    with pytest.raises(InvalidCampaign, match="HEARBACK_CAMPAIGNS_DIR"):
        catalogue.read_folder(tmp_path)
    with pytest.raises(InvalidCampaign, match=r"two.yaml: id 'a' is taken by one.yaml"):
        catalogue.read_folder(folder(tmp_path, one=ABOUT_ORDERS, two=ABOUT_ORDERS))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("segment_pairs", "country+country"),
        ("segment_pairs", "country"),
        ("segment_pairs", "country+shoe"),
        ("order_value_bands", "BRL:1,x"),
        ("order_value_bands", "BRL:3,2"),
        ("order_value_bands", "BRL"),
        ("order_value_bands", "BRL:NaN"),
        ("campaigns_dir", "/no/such/folder"),
    ],
)
def test_a_bad_setting_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        DispatcherSettings.model_validate({field: value, "secret": "x" * 32})
