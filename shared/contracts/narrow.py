"""Reads what is written plainly in half the time that its contract takes.

A narrow reader is a contract without what makes no difference to plain text: in ASCII without control characters, no
rule of text finds or changes anything, so that none of these functions has to be called. It is derived from the
contract, so nothing is said twice, and accepts the same of what is plain. What it does not accept is for the contract
to read, or to refuse with its reasons.
"""

from collections.abc import Callable, Collection
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import CoreConfig, CoreSchema, SchemaValidator

from shared.contracts.types import RULES_OF_CHARACTERS, RULES_OF_TEXT, RULES_OF_TIME, Contract

Read = Callable[[bytes], Contract | None]
_Rule = Callable[[Any], Any]

_PARTS = {"schema", "keys_schema", "values_schema", "items_schema"}
_BACKSLASH, _DEL = 0x5C, 0x7F
_set = object.__setattr__
_set_fields_set, _set_extra, _set_private = (
    vars(BaseModel)[f"__pydantic_{name}__"].__set__ for name in ("fields_set", "extra", "private")
)


def narrow_reader(model: type[Contract]) -> Read | None:
    """A function that reads bodies of ``model``, and returns None for those it does not accept. None if the model
    does more than validate its fields: it then has no narrow reader."""
    whole = cast("dict[str, Any]", model.__pydantic_core_schema__)
    if whole["type"] != "model" or whole["schema"]["type"] != "model-fields" or "post_init" in whole:
        return None
    fields: dict[str, Any] = whole["schema"]["fields"]
    times = tuple((name, rule) for name, field in fields.items() if (rule := _rule_of_time(field["schema"])))

    def validator(dropped: Collection[_Rule]) -> SchemaValidator:
        narrow = {name: {**field, "schema": _field(field["schema"], dropped)} for name, field in fields.items()}
        schema = {**whole["schema"], "fields": narrow}
        return SchemaValidator(cast("CoreSchema", schema), cast("CoreConfig", whole["config"]))

    in_ascii = validator(RULES_OF_TEXT).validate_json
    beyond_ascii = validator(RULES_OF_CHARACTERS).validate_json

    def read(value: bytes) -> Contract | None:
        # JSON has no control character but DEL, and no lone surrogate, unless it is escaped.
        if _BACKSLASH in value or _DEL in value:
            return None
        try:
            values, extra, given = (in_ascii if value.isascii() else beyond_ascii)(value, extra="ignore")
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


def _field(schema: dict[str, Any], dropped: Collection[_Rule]) -> dict[str, Any]:
    """The schema of a field without these functions; of a time as text."""
    if not _rule_of_time(schema):
        return _without(schema, dropped)
    if schema["type"] == "function-before":
        return {"type": "str"}
    return {**schema, "schema": _field(schema["schema"], dropped)}


def _without(schema: dict[str, Any], dropped: Collection[_Rule]) -> dict[str, Any]:
    """The schema without these functions. Another contract inside it stays as it is."""
    if schema["type"] == "model":
        return schema
    if schema["type"] == "function-after" and schema["function"]["function"] in dropped:
        return _without(schema["schema"], dropped)
    narrow = dict(schema)
    for name in _PARTS & schema.keys():
        narrow[name] = _without(schema[name], dropped)
    if "choices" in schema:
        narrow["choices"] = [_without(each, dropped) for each in schema["choices"]]
    return narrow


def _rule_of_time(schema: dict[str, Any]) -> _Rule | None:
    """The function that reads the field's time from text, if the field is a time, or a time or null."""
    while schema["type"] in ("default", "nullable"):
        schema = schema["schema"]
    if schema["type"] == "function-before" and schema["schema"]["type"] == "datetime":
        rule: _Rule = schema["function"]["function"]
        return rule if rule in RULES_OF_TIME else None
    return None
