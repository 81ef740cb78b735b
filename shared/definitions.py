"""Definitions written in YAML (or JSON, which is YAML): campaigns, routing rules. Parses and validates a text.

They come from files and over HTTP, so their size is limited, and YAML aliases are rejected: they could expand to
gigabytes. The limit of each kind stands beside its model, in ``domain/campaigns.py`` and ``domain/routing.py``.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from shared.validation import explain

Model = TypeVar("Model", bound=BaseModel)
Said = TypeVar("Said")

_BOOLEAN = "tag:yaml.org,2002:bool"
# Besides its own errors, PyYAML lets through whatever converting a value raises: `!!bool x`, `2026-13-45`.
_UNREADABLE = (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Faulty:
    """A definition of which some fields break a rule: those at ``places``."""

    written: Mapping[str, object]
    places: Sequence[tuple[str | int, ...]]

    def is_readable(self, *place: str | int) -> bool:
        """Whether nothing is wrong at the place and within it."""
        return not any(faulty[: len(place)] == place for faulty in self.places)

    def readable(self) -> dict[str, object]:
        """What is left without what is wrong."""
        rest = deepcopy(dict(self.written))
        # From the end of each list, so that the places of what comes before stay.
        for place in sorted(filter(None, self.places), key=_in_order, reverse=True):
            _take_out(rest, place)
        return rest


class InvalidDefinition(ValueError):
    """An invalid definition. The message names its location, the field, its value and how to fix it."""


def parse(
    text: str,
    model: type[Model],
    *,
    where: str,
    max_bytes: int,
    stored: bool = False,
    besides: Callable[[Faulty], Iterable[str]] = lambda _faulty: (),
) -> Model:
    """The definition in a text. Raises InvalidDefinition with a line for each violation.

    Where fields break a rule, the rules between fields are not tried: ``besides`` says what else is wrong with the
    rest, so that an author need not find out one by one.

    ``where`` names the text in that message, such as its file. A ``stored`` text was accepted before, perhaps by
    another release: it may have aliases, and fields that are unknown here are ignored, as ``persistence.stored`` does.
    """
    if len(text.encode("utf-8", "replace")) > max_bytes:
        raise InvalidDefinition(f"{where}: is larger than {max_bytes:,} bytes; shorten it")
    try:
        written = yaml.load(text, _Loader if stored else _PlainLoader)  # noqa: S506  # both are safe
    except _UNREADABLE as error:
        raise InvalidDefinition(f"{where}: {_unreadable(error)}") from error
    if not isinstance(written, Mapping):
        raise InvalidDefinition(f"{where}: must be a mapping of field to value, such as `name: value`")
    try:
        return model.model_validate(written, extra="ignore" if stored else None)
    except ValidationError as error:
        faulty = Faulty(written, [violation["loc"] for violation in error.errors(include_url=False)])
        told = [*explain(error), *besides(faulty)]
        raise InvalidDefinition(in_lines(told, where=where)) from error


def in_lines(sentences: Iterable[str], *, where: str) -> str:
    """The message of an InvalidDefinition: a line for each sentence, none of them twice."""
    lines = dict.fromkeys(line for sentence in sentences for line in sentence.splitlines())
    return "\n".join(f"{where}: {line}" for line in lines)


def _in_order(place: Sequence[str | int]) -> list[tuple[bool, str | int]]:
    return [(isinstance(part, int), part) for part in place]


def _take_out(rest: dict[str, object], place: Sequence[str | int]) -> None:
    """Deletes what is at the place; if that is not there, because it is missing, the whole field it is missing in."""
    inside: object = rest
    # pydantic ends a mapping's own key with "[key]".
    *way, last = (part for part in place if part != "[key]")
    for part in way:
        inside = _at(inside, part)
    if isinstance(inside, dict) and last in inside:
        del inside[last]
    elif isinstance(inside, list) and isinstance(last, int) and last < len(inside):
        inside.pop(last)
    else:
        rest.pop(str(place[0]), None)


def _at(inside: object, part: str | int) -> object:
    if isinstance(inside, Mapping):
        return inside.get(part)
    if isinstance(inside, list) and isinstance(part, int) and part < len(inside):
        return inside[part]
    return None


def read_file(path: Path, *, setting: str) -> str:
    """The text of a definition file. Raises InvalidDefinition, naming its setting, if unreadable."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDefinition(
            f"{path}: cannot be read as UTF-8 text ({type(error).__name__}); its path is set by {setting}"
        ) from error


def file_takes_effect(says: Said, *, said_last: Said | None, shipped: bool, changed_by_api: bool) -> bool:
    """Whether a definition file is applied when a process starts.

    Only if the file has changed since it was last applied: a restart does not undo later changes through the API. A
    file that is ``shipped`` with Hearback, rather than written by whoever runs it, changes with an upgrade, which
    nobody meant as an order: it replaces an earlier file, but nothing ``changed_by_api`` since.

    ``says`` and ``said_last`` are the definition itself or a digest of the text; ``said_last`` is None when no file was
    applied before.
    """
    return says != said_last and not (shipped and changed_by_api)


class _Loader(yaml.SafeLoader):
    """Only ``true`` and ``false`` are booleans, as in YAML 1.2: Norway is ``NO``, and stays a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as in PyYAML
        start: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
        for start, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


class _PlainLoader(_Loader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.current_event.start_mark
            raise yaml.constructor.ConstructorError(None, None, "aliases (*name) are not supported", mark)
        return super().compose_node(parent, index)


def _unreadable(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    mark = getattr(error, "problem_mark", None)
    line = "" if mark is None else f"line {mark.line + 1}: "
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    if problem is None:
        problem = str(error) if isinstance(error, ValueError) else "a value cannot be read"
    return f"{line}is not YAML: {problem}"
