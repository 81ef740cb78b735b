"""The import rules in pyproject.toml name every service: a new one cannot be forgotten."""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest

from deploy.local.programs import PROJECT

SERVICES = {f"services.{folder.parent.name}" for folder in PROJECT.glob("services/*/__init__.py")}
COURIER = "services.dispatcher.courier"
CONTRACTS: dict[str, Any] = {
    contract["name"]: contract
    for contract in tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


def rooms(*names: str) -> set[str]:
    """The packages with one of these names, in any service or in the courier."""
    return {f"{part}.{name}" for part in (*SERVICES, COURIER) for name in names if folder(f"{part}.{name}").is_dir()}


def folder(package: str) -> Path:
    return PROJECT.joinpath(*package.split("."))


def test_the_layers_hold_in_every_service_and_in_the_courier() -> None:
    containers = [name for each in CONTRACTS.values() if each["type"] == "layers" for name in each["containers"]]
    assert sorted(containers) == sorted({*SERVICES, COURIER})


def test_no_service_may_import_another() -> None:
    assert set(CONTRACTS["No service imports another"]["modules"]) == SERVICES


def test_every_domain_is_pure() -> None:
    assert rooms("domain") <= set(CONTRACTS["The domain does no I/O and reads no clock"]["source_modules"])


def test_no_entry_point_reaches_the_tables_by_itself() -> None:
    contract = CONTRACTS["HTTP and handlers reach the tables through actions and queries"]
    assert set(contract["source_modules"]) == rooms("api", "web", "handlers")
    assert set(contract["forbidden_modules"]) == rooms("repository")


@pytest.mark.parametrize("top", ["services", "shared"])
def test_sql_is_executed_from_a_string_only_where_sql_is_written(top: str) -> None:
    """Ruff rejects `sqlalchemy.text` elsewhere (TID251), but not this method, which takes a string."""
    found = [
        f"{file.relative_to(PROJECT)}:{node.lineno}"
        for file in sorted(PROJECT.glob(f"{top}/**/*.py"))
        if not {"repository", "migrations", "persistence"} & set(file.relative_to(PROJECT).parts)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "exec_driver_sql"
    ]
    assert found == []
