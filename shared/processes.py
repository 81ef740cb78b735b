"""The product's processes: their names, whose tables they use, and how each is started."""

SERVICES = ("dispatcher", "collector", "scorer", "alerter")
"""Each has a schema and a role of its own."""
PROCESSES = (*SERVICES, "courier")
"""The courier is the dispatcher's second process, on the same tables."""


def service_of(process: str) -> str:
    """The service whose schema and role a process uses."""
    return "dispatcher" if process == "courier" else process


def python_arguments(process: str) -> tuple[str, ...]:
    """What Python is given to run a process, such as ``-m services.scorer``."""
    module = ("-m", f"services.{service_of(process)}")
    return (*module, process) if process == "courier" else module
