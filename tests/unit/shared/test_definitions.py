"""A definition is plain data of a limited size, and what is wrong with one is told with its place and the way out."""

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from shared.definitions import InvalidDefinition, file_takes_effect, parse, read_file

MAX_BYTES = 10_000


class Example(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    priority: Annotated[int, Field(ge=1)] = 1
    texts: dict[str, str] = {}
    countries: list[str] = []
    active: bool = True


def read(text: str) -> Example:
    return parse(text, Example, where="some.yaml", max_bytes=MAX_BYTES)


def test_yaml_and_json_are_read() -> None:
    assert read("name: a\ntexts: {en: hi}\n") == read('{"name": "a", "texts": {"en": "hi"}}')


def test_norway_is_a_country() -> None:
    assert read("name: on\ncountries: [BR, NO, no]").countries == ["BR", "NO", "no"]


@pytest.mark.parametrize("written", ["false", "False", "FALSE", "no", "off"])
def test_whether_it_is_active_may_be_written_as_people_do(written: str) -> None:
    assert not read(f"name: a\nactive: {written}").active


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "some.yaml: must be a mapping"),
        ("[1, 2]", "some.yaml: must be a mapping"),
        ("name: a\ntexts: [", "some.yaml: line 2: is not YAML: "),
        ("name: &x a\ntexts: {en: *x}", "some.yaml: line 2: is not YAML: aliases (*name) are not supported"),
        ("name: 'a\x00b'", "some.yaml: is not YAML: special characters are not allowed"),
        ("[" * 5_000, "some.yaml: is nested too deeply"),
        ("name: a\npriority: 2026-13-45", "some.yaml: is not YAML: month must be in 1..12"),
        ("name: !!int ''", "some.yaml: is not YAML: a value cannot be read"),
        ("name: !!bool x", "some.yaml: is not YAML: a value cannot be read"),
        ("name: !!timestamp x", "some.yaml: is not YAML: a value cannot be read"),
        ("name: " + "1:" * 300 + "1.5", "some.yaml: is not YAML: a value cannot be read"),
        ("name: !!python/object:os.system x", "some.yaml: line 1: is not YAML: could not determine a constructor"),
        ("ü" * (MAX_BYTES // 2) + "x", "some.yaml: is larger than 10,000 bytes"),
        ("priority: 0", "some.yaml: name is missing\nsome.yaml: priority is 0: Input should be"),
        ("name: a\ncolour: red", "some.yaml: colour is not a known field"),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        read(text)
    assert str(refusal.value).startswith(said)


@given(st.text(max_size=300) | st.text(alphabet="!int flobae:&*[]{}-'\n10.", max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        read(text)
    except InvalidDefinition as error:
        assert str(error).startswith("some.yaml: ")


def test_a_file_that_cannot_be_read_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("name: ü", encoding="utf-8")
    assert read_file(tmp_path / "good.yaml", setting="HEARBACK_X") == "name: ü"
    (tmp_path / "latin.yaml").write_bytes("ü".encode("latin-1"))
    for name in ("latin.yaml", "missing.yaml", "."):
        with pytest.raises(InvalidDefinition, match="HEARBACK_X") as refusal:
            read_file(tmp_path / name, setting="HEARBACK_X")
        assert str(refusal.value).startswith(str(tmp_path / name))


def test_a_restart_does_not_undo_what_came_by_api() -> None:
    for shipped in (True, False):
        assert file_takes_effect("a", said_last=None, shipped=shipped, changed_by_api=False)
        assert not file_takes_effect("a", said_last="a", shipped=shipped, changed_by_api=True)
        assert file_takes_effect("b", said_last="a", shipped=shipped, changed_by_api=False)


def test_an_upgrade_does_not_undo_what_came_by_api_but_a_file_of_ones_own_does() -> None:
    assert not file_takes_effect("b", said_last="a", shipped=True, changed_by_api=True)
    assert file_takes_effect("b", said_last="a", shipped=False, changed_by_api=True)
