"""Reads what is written plainly in half the time that its contract takes.

A narrow reader is a contract without what makes no difference to plain text: in ASCII without control characters, no
rule of text finds or changes anything but blanks, so that none of these functions has to be called. It is derived from
the contract and from those inside it, so nothing is said twice, and accepts the same of what is plain. What it does not
accept is for the contract to read, or to refuse with its reasons.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import CoreConfig, CoreSchema, SchemaValidator

from shared.contracts import orders, types
from shared.contracts.types import AMOUNT_PATTERN, Contract

Read = Callable[[bytes], Contract | None]
_Rule = Callable[[Any], Any]
_Schema = dict[str, Any]

_PARTS = ("schema", "keys_schema", "values_schema", "items_schema")
_BACKSLASH, _DEL = 0x5C, 0x7F
_TWO_BLANKS = b"  "
_RULES_OF_TIME = types.RULES_OF_TIME | orders.RULES_OF_TIME
_set = object.__setattr__
_set_fields_set, _set_extra, _set_private = (
    vars(BaseModel)[f"__pydantic_{name}__"].__set__ for name in ("fields_set", "extra", "private")
)


def narrow_reader(model: type[Contract]) -> Read | None:
    """A function that reads bodies of ``model``, and returns None for those it does not accept. None if the model
    does more than validate its fields: it then has no narrow reader."""
    whole = cast("_Schema", model.__pydantic_core_schema__)
    if whole["type"] != "model" or whole["schema"]["type"] != "model-fields" or "post_init" in whole:
        return None
    fields: dict[str, Any] = whole["schema"]["fields"]
    times = tuple((name, rule) for name, field in fields.items() if (rule := _rule_of_time(field["schema"])))

    def validator(rules: Mapping[_Rule, Callable[[_Schema], _Schema]]) -> SchemaValidator:
        narrow = {name: {**field, "schema": _field(field["schema"], rules)} for name, field in fields.items()}
        schema = {**whole["schema"], "fields": narrow}
        # Without the validators that the contracts inside have made of themselves, which know nothing of this.
        return SchemaValidator(cast("CoreSchema", schema), cast("CoreConfig", whole["config"]), _use_prebuilt=False)

    in_ascii = validator(_IN_ASCII).validate_json
    beyond_ascii = validator(_BEYOND_ASCII).validate_json

    def read(value: bytes) -> Contract | None:
        # JSON has no control character but DEL, and no lone surrogate, unless it is escaped.
        if _BACKSLASH in value or _DEL in value:
            return None
        plain = value.isascii() and _TWO_BLANKS not in value
        try:
            values, extra, given = (in_ascii if plain else beyond_ascii)(value, extra="ignore")
            before = moment = None
            for name, rule in times:
                if (written := values[name]) is not None:
                    if written != before:  # an answer's two times are often one
                        before, moment = written, rule(written)
                    values[name] = moment
        except ValueError:
            return None
        # What validating the model itself would do.
        body = model.__new__(model)
        _set(body, "__dict__", values)
        _set_fields_set(body, given)
        _set_extra(body, extra)
        _set_private(body, None)
        return body

    return read


def _unruled(schema: _Schema) -> _Schema:
    return cast("_Schema", schema["schema"])


def _unblank(schema: _Schema) -> _Schema:
    """Text that is not blank, without the blanks around it. As there are no two in a row, it was at most two longer."""
    text = schema["schema"]
    return {**text, "strip_whitespace": True, "min_length": 1, "max_length": text["max_length"] - 2}


def _country(schema: _Schema) -> _Schema:
    return {**schema, "function": {**schema["function"], "function": orders.country}, "schema": _unblank(schema)}


def _identifier(schema: _Schema) -> _Schema:
    return {**schema["schema"], "pattern": "[^ ]"}


def _amount(schema: _Schema) -> _Schema:
    """Whatever the pattern accepts is within the limits of the decimal."""
    return {
        "type": "function-after",
        "function": {**schema["function"], "function": Decimal},
        "schema": {"type": "str", "pattern": AMOUNT_PATTERN},
    }


def _time_within(schema: _Schema) -> _Schema:
    return {**schema, "type": "function-after", "schema": {"type": "str"}}


# What the schema with a rule becomes without it.
_BEYOND_ASCII: Mapping[_Rule, Callable[[_Schema], _Schema]] = {
    **dict.fromkeys(types.RULES_OF_CHARACTERS, _unruled),
    **dict.fromkeys(types.RULES_OF_AMOUNTS, _amount),
    **dict.fromkeys(_RULES_OF_TIME, _time_within),
}
_IN_ASCII: Mapping[_Rule, Callable[[_Schema], _Schema]] = {
    **_BEYOND_ASCII,
    **dict.fromkeys(types.RULES_OF_TEXT, _unruled),
    **dict.fromkeys(orders.RULES_OF_SAID_TEXT, _unblank),
    **dict.fromkeys(orders.RULES_OF_COUNTRIES, _country),
    **dict.fromkeys(orders.RULES_OF_IDENTIFIERS, _identifier),
}


def _field(schema: _Schema, rules: Mapping[_Rule, Callable[[_Schema], _Schema]]) -> _Schema:
    """The schema of a field without these rules; of a time as text."""
    if not _rule_of_time(schema):
        return _without(schema, rules)
    if schema["type"] == "function-before":
        return {"type": "str"}
    return {**schema, "schema": _field(schema["schema"], rules)}


def _without(schema: _Schema, rules: Mapping[_Rule, Callable[[_Schema], _Schema]]) -> _Schema:
    """The schema without these rules, also in the contracts inside it."""
    if schema["type"] in ("function-before", "function-after"):
        schema = rules.get(schema["function"]["function"], dict)(schema)
    narrow = dict(schema)
    for name in _PARTS:
        if name in narrow:
            narrow[name] = _without(narrow[name], rules)
    if "choices" in narrow:
        narrow["choices"] = [_without(each, rules) for each in narrow["choices"]]
    if schema["type"] == "model-fields":
        narrow["fields"] = {
            name: {**field, "schema": _without(field["schema"], rules)} for name, field in schema["fields"].items()
        }
    return narrow


def _rule_of_time(schema: _Schema) -> _Rule | None:
    """The function that reads the field's time from text, if the field is a time, or a time or null."""
    while schema["type"] in ("default", "nullable"):
        schema = schema["schema"]
    if schema["type"] == "function-before" and schema["schema"]["type"] == "datetime":
        rule: _Rule = schema["function"]["function"]
        return rule if rule in _RULES_OF_TIME else None
    return None
