"""The settings of `make up`: which of the shell's HEARBACK_ variables reach the processes, and which do not."""

import os

from shared.processes import SERVICES

OF_THE_STACK = (
    "HEARBACK_PORT_BASE", "HEARBACK_STATE", "HEARBACK_CACHE_DIR", "HEARBACK_REPLICAS", "HEARBACK_TOPIC_PREFIX",
    "HEARBACK_KAFKA_BOOTSTRAP_SERVERS", "HEARBACK_DATABASE_URL",
)  # fmt: skip
"""Read by the stack itself."""
OF_CLIENTS = (
    "HEARBACK_API_KEY", "HEARBACK_MAILBOX_URL", *(f"HEARBACK_{service.upper()}_URL" for service in SERVICES),
)  # fmt: skip
"""Set by the file `env`, for clients."""
OF_ONE_PROCESS = ("HEARBACK_HTTP_HOST", "HEARBACK_HTTP_PORT")
"""Would be wrong for several processes on one machine."""


def settings_from_environment() -> dict[str, str]:
    """The user's settings (brand, clock, API keys, …), passed on to every process of the stack."""
    kept_back = {*OF_THE_STACK, *OF_CLIENTS, *OF_ONE_PROCESS}
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("HEARBACK_") and name not in kept_back and value
    }


def not_used() -> list[str]:
    """Settings in the environment that no process gets, although whoever set them may think so."""
    return [name for name in OF_ONE_PROCESS if os.environ.get(name)]
