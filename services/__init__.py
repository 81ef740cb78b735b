"""The services: independent processes that communicate over Kafka, each with its own database schema."""

import sys

if sys.argv[0] == "-m":  # a process is being started, with `python -m services.…`
    # structlog loads rich if it is there, for tracebacks in colour: 4 MiB in every process, and time at each start.
    sys.modules["rich"] = None  # type: ignore[assignment]  # as the import system documents it
