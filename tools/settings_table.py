"""Keeps the settings table in README.md up to date with the settings classes.

``python -m tools.settings_table`` rewrites it between its markers; ``--check`` only compares; exits with 1 if stale.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deploy.local.environment import SETTINGS_OF_PROCESS
from shared.settings import PREFIX, ServiceSettings

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


def table() -> str:
    """A Markdown table: first the settings of all processes, then those of individual ones."""
    lines = ["| setting | default | for | meaning |", "|---|---|---|---|"]
    common = ServiceSettings.model_fields
    lines += [_line(name, field, "all") for name, field in common.items()]
    for service, settings in SETTINGS_OF_PROCESS.items():
        own = {name: field for name, field in settings.model_fields.items() if name not in common}
        lines += [_line(name, field, service) for name, field in own.items()]
    return "\n".join(lines)


def _line(name: str, field: FieldInfo, used_by: str) -> str:
    if not field.description:
        raise ValueError(f"{PREFIX}{name.upper()} has no description")
    description = field.description.replace("|", "\\|")
    return f"| `{PREFIX}{name.upper()}` | {_default(name, field.default)} | {used_by} | {description} |"


def _default(name: str, value: Any) -> str:
    if name == "http_port":
        return "`8001` dispatcher, `8002` collector, `8003` scorer, `8004` alerter, `8010` courier"
    if value is PydanticUndefined or value is None:
        return "–"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path):
        value = value.relative_to(README.parent) if value.is_absolute() else value
    return f"`{value}`" if str(value) else "empty"


def with_table(readme: str) -> str:
    """The README with an up-to-date table. Raises ValueError when a marker is missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md needs the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare; exit with 1 if the table is stale")
    current = README.read_text(encoding="utf-8")
    expected = with_table(current)
    only_compare: bool = parser.parse_args().check
    if expected == current:
        print("the settings table in README.md is up to date")
        return
    if only_compare:
        print("the settings table in README.md is stale; run `python -m tools.settings_table`", file=sys.stderr)
        raise SystemExit(1)
    README.write_text(expected, encoding="utf-8")
    print("updated the settings table in README.md")


if __name__ == "__main__":
    main()
