"""Structured logs: readable in a terminal, otherwise one JSON object per line. No personal data, no secrets."""

import logging
import sys
from typing import Any

import structlog

from shared import tracing
from shared.settings import ServiceSettings

# aiokafka logs every coordinator change; we log the relevant ones ourselves.
_QUIET = {"aiokafka": logging.ERROR, "uvicorn.access": logging.ERROR, "alembic": logging.WARNING}


def _with_trace(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if (trace := tracing.current()) is not None:
        event["traceparent"] = trace
    return event


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
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    structlog.contextvars.bind_contextvars(service=service)
