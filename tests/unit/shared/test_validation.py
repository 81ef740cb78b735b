"""A violation is explained with field and rule; with the value only to those who wrote it."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts.types import Label, Segments
from shared.validation import MAX_EXPLAINED, explain, explain_without_values, field_name


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hours: Annotated[float, Field(gt=0)] = 1


class Example(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Label
    active: Annotated[bool, Field(strict=True)] = True
    parts: list[Part] = []
    segments: Segments = {}
    queues: dict[Label, int] = {}

    @model_validator(mode="after")
    def _not_bad(self) -> "Example":
        if self.name == "bad":
            raise ValueError("choose a good name")
        return self


def refused(data: dict[str, Any]) -> ValidationError:
    with pytest.raises(ValidationError) as error:
        Example.model_validate(data)
    return error.value


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "name is missing"),
        ({"name": "a", "colour": "red"}, "colour is not a known field; remove it or correct its name"),
        ({"name": "a", "parts": [{"hours": 0}]}, "parts.0.hours is 0: Input should be greater than 0"),
        ({"name": "a", "parts": [{"sla": 0}]}, "parts.0.sla is not a known field; remove it or correct its name"),
        ({"name": "a\n"}, r"name is 'a\n': contains a control character; remove it"),
        ({"name": None}, "name is empty: Input should be a valid string"),
        ({"name": True}, "name is true: Input should be a valid string"),
        ({"name": {"a": 1}}, "name: Input should be a valid string"),
        ({"name": "bad"}, "choose a good name"),
    ],
)
def test_those_who_wrote_it_see_field_value_and_rule(data: dict[str, Any], sentence: str) -> None:
    assert explain(refused(data)) == [sentence]


def test_a_long_value_is_cut_and_many_violations_are_not_all_told() -> None:
    (sentence,) = explain(refused({"name": "x" * 10_000}))
    assert len(sentence) < 300
    assert len(explain(refused({"name": "a", "parts": [{"hours": 0}] * 100}))) == MAX_EXPLAINED


def test_without_values_neither_they_nor_the_senders_own_names_are_shown() -> None:
    data = {"name": "a", "ana@example.com": 1, "queues": {"Ana Silva": "secret"}, "parts": [{"hours": "secret"}]}
    told = explain_without_values(refused(data), Example)
    assert "Ana" not in told
    assert "ana" not in told
    assert "secret" not in told
    assert "queues.*: Input should be a valid integer" in told
    assert "parts.0.hours: Input should be a valid number" in told
    assert explain_without_values(refused({"name": "bad"}), Example) == "body: choose a good name"


def test_a_field_is_named_as_its_writer_sees_it() -> None:
    error = refused({"name": "a", "segments": {"country": []}})
    assert {field_name(violation["loc"]) for violation in error.errors()} == {"segments.country"}
    assert field_name(()) == ""
