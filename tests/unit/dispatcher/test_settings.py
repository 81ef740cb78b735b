"""A bad setting, or a bad campaign file it leads to, is told with its name and stops the start."""

from pathlib import Path

import pytest

from services.dispatcher.domain.campaigns import MAX_CAMPAIGNS
from services.dispatcher.settings import DispatcherSettings, read_campaigns
from shared.definitions import InvalidDefinition
from tests.kit.settings import SECRET

ABOUT_ORDERS = "id: a\ntrigger: {after: order.placed, delay: 1 hour}\n"


def settings(**values: object) -> DispatcherSettings:
    return DispatcherSettings.model_validate({"secret": SECRET, **values})


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
        settings(**{field: value})


def test_the_campaigns_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(ABOUT_ORDERS)
    (tmp_path / "notes.txt").write_text("not a campaign")
    assert [campaign.id for campaign in settings(campaigns_dir=tmp_path).campaigns] == ["a"]
    assert [campaign.id for campaign in settings().campaigns] == ["product-nps", "relationship-nps", "service-nps"]


def test_a_folder_that_cannot_be_used_is_refused_by_the_setting_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(?s)campaigns_dir.*has no \*.yaml file; HEARBACK_CAMPAIGNS_DIR"):
        settings(campaigns_dir=tmp_path)
    (tmp_path / "one.yaml").write_text(ABOUT_ORDERS)
    (tmp_path / "two.yaml").write_text(ABOUT_ORDERS)
    with pytest.raises(ValueError, match=r"(?s)campaigns_dir.*two.yaml: id 'a' is already used by one.yaml"):
        settings(campaigns_dir=tmp_path)


def test_a_file_that_is_not_text_and_too_many_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_bytes(b"\xff")
    with pytest.raises(InvalidDefinition, match=r"one.yaml.*UTF-8"):
        read_campaigns(tmp_path)
    for number in range(MAX_CAMPAIGNS):
        (tmp_path / f"{number}.yaml").write_text("")
    with pytest.raises(InvalidDefinition, match="maximum is 200"):
        read_campaigns(tmp_path)
