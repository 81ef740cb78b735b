"""Unit tests import no driver of Kafka or PostgreSQL and no browser: they run anywhere, in seconds."""

import importlib
import subprocess
import sys

import pytest

from deploy.local.programs import PROJECT

PLUGIN = "tests.kit.without_backends"


def test_no_unit_test_imports_a_backend(pytestconfig: pytest.Config) -> None:
    """`make unit` blocks the imports; in other runs the unit tests are collected again in a process that does."""
    if pytestconfig.pluginmanager.has_plugin(PLUGIN):
        with pytest.raises(ImportError, match="a unit test imports sqlalchemy"):
            importlib.import_module("sqlalchemy")
        return
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "--collect-only", "--quiet", "--no-header", "tests/unit"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert collected.returncode == 0, collected.stdout
