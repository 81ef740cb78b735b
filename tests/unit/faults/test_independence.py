"""The recomputation shares no code with the product."""

import ast
from pathlib import Path

import pytest

from deploy.local.programs import PROJECT

PRODUCT = ("services", "shared", "deploy", "tools", "benchmarks")


def source_of(module: str) -> Path | None:
    path = PROJECT / Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


def imported_by(module: str) -> set[str]:
    """Every module it imports, and those that modules of the soak import for it."""
    path = source_of(module)
    assert path is not None, module
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in names if source_of(name) is not None}
            found |= modules or {node.module}
    return found | {name for own in found if own.startswith("tests.") for name in imported_by(own)}


@pytest.mark.parametrize("module", ["recomputation", "outside"])
def test_the_recomputation_imports_nothing_of_the_product(module: str) -> None:
    modules = imported_by(f"tests.faults.soak.{module}")
    assert "tests.faults.soak.evidence" in modules
    assert not [name for name in modules if name.partition(".")[0] in PRODUCT]


def test_an_import_of_the_product_would_be_noticed() -> None:
    assert [name for name in imported_by("tests.faults.soak.run") if name.partition(".")[0] in PRODUCT]
