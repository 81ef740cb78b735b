"""A log line tells where and what failed, never a customer's data."""

import io
import json
import logging

import pytest
import structlog

from shared import logs
from shared.settings import ServiceSettings
from shared.web.server import CannotListen
from tests.kit.settings import settings_for

PERSON = "ana@example.com"


class UniqueViolation(Exception):
    """As asyncpg's: its text quotes the row."""

    sqlstate = "23505"


class IntegrityError(Exception):
    """As SQLAlchemy's: its text quotes the statement's parameters."""


def _fail() -> None:
    try:
        raise UniqueViolation(f"duplicate key\nDETAIL: Key (email)=({PERSON}) already exists.")
    except UniqueViolation as original:
        raise IntegrityError(f"INSERT … [parameters: {PERSON}]") from original


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)
    logs.configure("scorer", settings_for(ServiceSettings, "postgresql://h/d", log_format="json"))
    written = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    return written


def test_a_traceback_has_places_and_types_and_no_values(logged: io.StringIO) -> None:
    try:
        _fail()
    except IntegrityError as error:
        structlog.get_logger().error("a loop failed", exc_info=error)
        logging.getLogger("uvicorn.error").exception("in the server")
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["a loop failed", "in the server"]
    for line in lines:
        assert "test_logs.py" in line["exception"] and "_fail" in line["exception"]
        assert "UniqueViolation: SQLSTATE 23505" in line["exception"]
        assert "IntegrityError" in line["exception"]
    assert PERSON not in logged.getvalue()


def test_connections_of_the_pool_are_not_told_of_one_by_one(logged: io.StringIO) -> None:
    logging.getLogger("shared.persistence.pool.SharedPool").info("Pool disposed")
    assert logged.getvalue() == ""


def test_our_own_errors_keep_their_sentence() -> None:
    assert logs.explain(CannotListen("cannot listen on port 1")).endswith("CannotListen: cannot listen on port 1")
    assert logs.explain(ConnectionRefusedError(111, "Connect call failed")).endswith("Connect call failed")
    assert logs.explain(KeyError(PERSON)) == "KeyError"
