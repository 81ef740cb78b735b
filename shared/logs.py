"""Structured logs: readable in a terminal, otherwise one JSON object per line. No personal data, no secrets."""

import logging
import sys
import traceback
from typing import Any

import structlog

from shared import tracing
from shared.settings import ServiceSettings

# aiokafka logs every coordinator change, and each vain attempt to connect (by the logger of its whole package); we log
# the relevant ones ourselves. SQLAlchemy's pools log each connection under the name of their class, ours included.
_QUIET = {
    "aiokafka": logging.ERROR,
    "uvicorn.access": logging.ERROR,
    "alembic": logging.WARNING,
    "shared.persistence.pool": logging.WARNING,
}
_OUR_PACKAGES = ("shared", "services", "deploy", "tools")
_NOTHING = logging.Filter("nothing by this name")
_MAX_CHAIN = 8
_MAX_FRAMES = 30


def _with_trace(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if (trace := tracing.current()) is not None:
        event["traceparent"] = trace
    return event


def _without_values(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The traceback, without the messages of exceptions that may quote a customer's data."""
    info = event.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else sys.exception()
        if error is not None:
            event["exception"] = explain(error)
    return event


def explain(error: BaseException) -> str:
    """The error and what caused it, each with its frames and its type, and its message if that is safe.

    Messages of databases and validators quote values: PostgreSQL's DETAIL has a row's names and addresses.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(chain) < _MAX_CHAIN:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\ncaused:\n".join("".join(_frames(each)) + _title(each) for each in reversed(chain))


def _frames(error: BaseException) -> list[str]:
    return traceback.format_tb(error.__traceback__, limit=-_MAX_FRAMES)


def _title(error: BaseException) -> str:
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if (sqlstate := getattr(error, "sqlstate", None)) is not None:
        return f"{name}: SQLSTATE {sqlstate}"
    ours = kind.__module__.split(".")[0] in _OUR_PACKAGES
    return f"{name}: {error}" if ours or isinstance(error, OSError | ImportError | SyntaxError) else name


def configure(service: str, settings: ServiceSettings) -> None:
    """Sends the log lines of structlog and of libraries to standard error through one formatter."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _with_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()] if console else [structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_values, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger("aiokafka").addFilter(_NOTHING)
    structlog.contextvars.bind_contextvars(service=service)
