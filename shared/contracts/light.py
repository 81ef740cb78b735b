"""Reads only what a consumer needs of a body, in a third of the time that its whole contract takes.

What is read is declared as a ``Light``: a few fields of the contract. Everything else is checked, too. The checks are
derived from the contract, so nothing is said twice: msgspec is told lengths and ranges, and the rules of text and time
are the contract's own functions, called only where they could find something. It accepts the same as the contract, or
less: what it does not accept is for the contract to read, or to refuse with its reasons.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast

import msgspec

from shared.contracts.types import RULES_OF_CHARACTERS, RULES_OF_TEXT, RULES_OF_TIME, Contract


class Light(msgspec.Struct, gc=False):
    """Some fields of a contract, named and typed as there. ``gc=False``, because none refers to what refers to it."""


LightBody = TypeVar("LightBody", bound=Light)
LightReader = Callable[[bytes], Light | None]
Rule = Callable[[Any], Any]

_BACKSLASH, _DEL = 0x5C, 0x7F
# Of what is passed over: pydantic accepts 200 levels, msgspec as many as Python. Shorter values have fewer.
_DEEP, _COULD_BE_DEEP = 200, 400


def light_reader(model: type[Contract], into: type[LightBody]) -> Callable[[bytes], LightBody | None]:
    """A function that reads bodies of ``model``, and returns None for those it does not accept.

    Raises TypeError for a model that does more than validate its fields, has fields of a kind that is not known here,
    or lacks one of ``into``.
    """
    fields, kinds = _fields_of(model), dict[str, _Kind]()
    for name, field in fields.items():
        if (kind := _kind_of(field["schema"])) is None:
            raise TypeError(f"{model.__name__}.{name} cannot be read lightly")
        kinds[name] = kind
    wanted = {field.name for field in msgspec.structs.fields(into)}
    if not wanted <= kinds.keys():
        raise TypeError(f"{model.__name__} has no {', '.join(sorted(wanted - kinds.keys()))}")
    # Required fields first, as msgspec wants them.
    declared = sorted((_declared(name, fields[name]["schema"], kind) for name, kind in kinds.items()), key=len)
    whole = msgspec.defstruct(into.__name__, declared, bases=(into,), gc=False, kw_only=True)
    times = tuple((name, kind.rule) for name, kind in kinds.items() if kind.is_time and kind.rule)
    texts = tuple((name, kind.rule) for name, kind in kinds.items() if not kind.is_time and kind.rule)
    changing = tuple((name, rule) for name, rule in texts if rule not in RULES_OF_CHARACTERS)
    decode = cast("Callable[[bytes], LightBody]", msgspec.json.Decoder(whole).decode)
    return _reader(decode, times, texts, changing)


_Rules = tuple[tuple[str, Rule], ...]


def _reader(
    decode: Callable[[bytes], LightBody], times: _Rules, texts: _Rules, changing: _Rules
) -> Callable[[bytes], LightBody | None]:
    """``changing`` are the rules of ``texts`` that do more than look for certain characters."""

    def read(value: bytes) -> LightBody | None:
        try:
            due: _Rules = ()
            if not value.isascii():
                value.decode()  # msgspec does not look at the bytes of texts that it passes over
                due = changing
            # JSON has no control character but DEL, and no lone surrogate, unless it is escaped.
            if _BACKSLASH in value or _DEL in value:
                due = texts
            if len(value) > _COULD_BE_DEEP and value.count(b"[") + value.count(b"{") >= _DEEP:
                return None
            body = decode(value)
            before = moment = None
            for name, rule in times:
                if (written := getattr(body, name)) is not None:
                    if written != before:  # an answer's two times are often one
                        before, moment = written, rule(written)
                    setattr(body, name, moment)
            for name, rule in due:
                if (said := getattr(body, name)) is not None:
                    setattr(body, name, rule(said))
        except ValueError:
            return None
        return body

    return read


def _fields_of(model: type[Contract]) -> Mapping[str, Any]:
    whole = cast("dict[str, Any]", model.__pydantic_core_schema__)
    if whole["type"] != "model" or whole["schema"]["type"] != "model-fields" or "post_init" in whole:
        raise TypeError(f"{model.__name__} does more than validate its fields")
    found: dict[str, Any] = whole["schema"]["fields"]
    return found


def _declared(name: str, schema: Mapping[str, Any], kind: "_Kind") -> tuple[Any, ...]:
    """A field as msgspec takes it."""
    if schema["type"] != "default":
        return name, kind.type
    if "default_factory" in schema:
        return name, kind.type, msgspec.field(default_factory=schema["default_factory"])
    return name, kind.type, msgspec.field(default=schema["default"])


class _Kind(NamedTuple):
    """What msgspec is told of a value, and what the contract does with it behind that, if anything."""

    type: Any
    rule: Rule | None = None
    is_time: bool = False


def _kind_of(schema: Mapping[str, Any]) -> _Kind | None:
    """None for a kind that is not known here."""
    match schema["type"]:
        case "default" if "default" in schema or schema.get("default_factory_takes_data") is False:
            return _kind_of(schema["schema"])
        case "nullable":
            inner = _kind_of(schema["schema"])
            return inner and inner._replace(type=inner.type | None)
        case "function-after" if schema["function"]["function"] in RULES_OF_TEXT:
            inner = _kind_of(schema["schema"])
            return inner and inner._replace(rule=schema["function"]["function"]) if not (inner and inner.rule) else None
        case "function-before" if schema["function"]["function"] in RULES_OF_TIME:
            return _Kind(str, schema["function"]["function"], is_time=True)
        case "str" if schema.keys() <= {"type", "metadata", "min_length", "max_length"}:
            return _Kind(_within(str, schema, "min_length", "max_length"))
        case "int" if schema.keys() <= {"type", "metadata", "ge", "le"}:
            return _Kind(_within(int, schema, "ge", "le"))
        case "literal" if all(isinstance(each, str) for each in schema["expected"]):
            return _Kind(Literal[tuple(schema["expected"])])
        case "dict" if schema.keys() <= {"type", "metadata", "keys_schema", "values_schema", "max_length"}:
            return _object_of(schema)
        case _:
            return None


def _object_of(schema: Mapping[str, Any]) -> _Kind | None:
    """An object whose values are texts, or either texts or lists of them."""
    keys, values = _kind_of(schema["keys_schema"]), _text_or_texts(schema["values_schema"])
    if keys is None or values is None or not (_is_text(schema["keys_schema"]) and keys.rule and values.rule):
        return None
    of_key, of_value = keys.rule, values.rule

    def rule(said: dict[str, Any]) -> dict[str, Any]:
        return {of_key(key): of_value(value) for key, value in said.items()}

    return _Kind(_within(dict[keys.type, values.type], schema, "max_length"), rule)  # type: ignore[name-defined]


def _text_or_texts(schema: Mapping[str, Any]) -> _Kind | None:
    if schema["type"] != "union":
        return _kind_of(schema) if _is_text(schema) else None
    match schema["choices"]:
        case [text, {"type": "list"} as texts] if text == texts["items_schema"] and _is_text(text):
            one = _kind_of(text)
        case _:
            return None
    if one is None or one.rule is None or not texts.keys() <= _OF_LISTS:
        return None
    rule_of_one = one.rule

    def rule(said: str | list[str]) -> str | list[str]:
        return rule_of_one(said) if isinstance(said, str) else [rule_of_one(each) for each in said]

    return _Kind(one.type | _within(list[one.type], texts, "min_length", "max_length"), rule)  # type: ignore[name-defined]


_OF_LISTS = {"type", "metadata", "items_schema", "min_length", "max_length"}


def _is_text(schema: Mapping[str, Any]) -> bool:
    return bool(schema["type"] == "function-after" and schema["schema"]["type"] == "str")


def _within(kind: Any, schema: Mapping[str, Any], *limits: str) -> Any:
    said = {limit: schema[limit] for limit in limits if limit in schema}
    return Annotated[kind, msgspec.Meta(**said)] if said else kind
