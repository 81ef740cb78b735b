"""What a newer release stored, with fields this one does not know, is read all the same: every model, at any depth."""

import ast
import json
import warnings
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from deploy.local.programs import PROJECT
from services.alerter.domain import routing
from services.alerter.domain.customers import Customer
from services.alerter.domain.orders import Description, Order, Promise
from services.alerter.domain.surveys import Survey
from services.dispatcher.domain.campaigns import Campaign, Trigger
from shared.contracts.answers import Answer
from shared.contracts.campaigns import Brand, CampaignPublished, CampaignTexts
from shared.contracts.preferences import ChannelPreference
from shared.contracts.sends import Recipient, SurveySent
from shared.definitions import InvalidDefinition
from shared.order_facts import Sum
from shared.persistence.stored import read_stored

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TEXTS = {"en": CampaignTexts(question="How likely are you to recommend us?")}
STORED: tuple[Any, ...] = (
    Answer(answer_id="a-1", revision=1, score=9, answered_at=NOON, received_at=NOON, segments={"country": "BR"}),
    Brand(name="Lumen"),
    Campaign(id="c", trigger=(Trigger(after="order.placed", delay=timedelta(hours=1)),), texts=TEXTS),
    CampaignPublished(campaign="c", campaign_version=1, brand=Brand(name="Lumen"), texts=TEXTS),
    Customer(customer_id="c-1", name="Ana", told={"name": NOON}),
    Order(
        order_id="o-1",
        happened={"placed": NOON},
        cost=Sum(NOON, "1.00", "BRL"),
        promise=Promise(NOON, NOON),
        description=Description(at=NOON, products=("A train",)),
    ),
    Survey(send_id="s-1", campaign="c", channel="email", sent_at=NOON),
    SurveySent(
        send_id="s-1",
        campaign="c",
        campaign_version=1,
        channel="email",
        locale="en",
        customer_id="c-1",
        recipient=Recipient(address="ana@example.com"),
        segments={"category": ["toys", "books"]},
        answer_url="http://127.0.0.1/s/x",
        unsubscribe_url="http://127.0.0.1/unsubscribe/x",
        due_at=NOON,
        sent_at=NOON,
        expires_at=NOON,
    ),
    [ChannelPreference(channel="email", state="bounced", address="ana@example.com", changed_at=NOON)],
)
RULES = routing.Routing(
    queues={"all": "Everybody"},
    rules=[
        routing.Rule(
            name="all",
            queue="all",
            scores=routing.ScoreRange(**{"from": 0, "to": 10}),
            sla_hours=24,
            suggested_action="Call",
        )
    ],
)


def as_json(value: Any, added: dict[str, Any]) -> Any:
    """The value as a release would write it that knows the fields ``added`` in each of its parts."""
    if isinstance(value, BaseModel):
        written = json.loads(value.model_dump_json(by_alias=True))
        parts = {field.alias or name: getattr(value, name) for name, field in type(value).model_fields.items()}
        # A part is a model, or has some; what a model writes in a way of its own (a duration) is left as written.
        return {
            name: as_json(part, added) if _has_parts(part) else written[name] for name, part in parts.items()
        } | added
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name), added) for field in fields(value)} | added
    if isinstance(value, list | tuple):
        return [as_json(entry, added) for entry in value]
    if isinstance(value, dict):
        return {name: as_json(entry, added) for name, entry in value.items()}
    return to_jsonable_python(value)


def _has_parts(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return any(_has_parts(entry) for entry in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, BaseModel) or is_dataclass(value)


def kind_of(value: Any) -> Any:
    return list[type(value[0])] if isinstance(value, list) else type(value)  # type: ignore[misc]


ADDED = {"added_later": {"known": ["to", "a", "newer", "release"]}}


@pytest.mark.parametrize("value", STORED, ids=lambda value: str(kind_of(value)))
def test_unknown_fields_are_ignored_at_any_depth(value: Any) -> None:
    assert read_stored(kind_of(value), json.dumps(as_json(value, {}))) == value
    assert read_stored(kind_of(value), json.dumps(as_json(value, ADDED))) == value


def with_value(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    first, *others = path
    changed = list(document) if isinstance(document, list) else dict(document)
    changed[first] = with_value(document[first], tuple(others), value) if others else value  # type: ignore[index]
    return changed


def value_at(read: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        read = read[step] if isinstance(step, int) else getattr(read, step)
    return read


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (list[ChannelPreference], (0, "state")),
        (list[ChannelPreference], (0, "channel")),
        (Answer, ("channel",)),
        (Campaign, ("trigger", 0, "after")),
        (Campaign, ("stop_on", 0)),
        (Campaign, ("channel",)),
        (Campaign, ("subject_of_question",)),
        (CampaignPublished, ("subject_of_question",)),
        (SurveySent, ("channel",)),
    ],
    ids=str,
)
def test_a_value_that_only_a_newer_release_knows_is_kept_as_it_is(kind: Any, path: tuple[str | int, ...]) -> None:
    value = next(one for one in STORED if kind_of(one) == kind)
    written = json.dumps(with_value(as_json(value, ADDED), path, "of_a_newer_release"))
    read = read_stored(kind, written)
    assert value_at(read, path) == "of_a_newer_release"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = TypeAdapter(kind).dump_json(read, by_alias=True).decode()
    assert value_at(read_stored(kind, again), path) == "of_a_newer_release"


def test_what_is_no_value_of_any_release_is_refused_beside_one_that_may_be() -> None:
    with pytest.raises(ValidationError):
        read_stored(list[ChannelPreference], '[{"channel": "pigeon", "state": "allowed", "changed_at": "yesterday"}]')


def test_known_fields_are_still_checked() -> None:
    with pytest.raises(ValidationError):
        read_stored(Brand, '{"name": 1}')


def test_routing_rules_are_read_with_unknown_fields_but_not_taken_with_them() -> None:
    written = json.dumps(as_json(RULES, ADDED))
    assert routing.parse_stored(written) == RULES
    with pytest.raises(InvalidDefinition, match="added_later"):
        routing.parse(written, where="rules.yaml")


def _readers() -> list[Path]:
    folders = ("services/*/repository/*.py", "services/*/courier/repository/*.py", "shared/*/repository/*.py")
    return sorted(file for folder in folders for file in PROJECT.glob(folder))


def test_there_is_one_way_to_read_a_stored_model_and_each_is_tried_here() -> None:
    """Otherwise the next one could be forgotten."""
    others: list[str] = []
    read: set[str] = set()
    for file in _readers():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in (
                "model_validate",
                "model_validate_json",
                "validate_json",
            ):
                others.append(f"{file.relative_to(PROJECT)}:{node.lineno}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "read_stored":
                read.add(ast.unparse(node.args[0]))
    assert others == []
    tried = {f"list[{type(one[0]).__name__}]" if isinstance(one, list) else type(one).__name__ for one in STORED}
    assert read == tried
