"""The settings of `make up`: which of the shell's HEARBACK_ variables reach the processes, and which do not."""

import os
from difflib import get_close_matches

from deploy.local.programs import SERVICES
from services.alerter.settings import AlerterSettings
from services.collector.settings import CollectorSettings
from services.dispatcher.courier.settings import CourierSettings
from services.dispatcher.settings import DispatcherSettings
from services.scorer.settings import ScorerSettings
from shared.settings import PREFIX, ServiceSettings

SETTINGS_OF_PROCESS: dict[str, type[ServiceSettings]] = {
    "dispatcher": DispatcherSettings,
    "courier": CourierSettings,
    "collector": CollectorSettings,
    "scorer": ScorerSettings,
    "alerter": AlerterSettings,
}

OF_THE_STACK = (
    "HEARBACK_PORT_BASE", "HEARBACK_STATE", "HEARBACK_CACHE_DIR", "HEARBACK_REPLICAS", "HEARBACK_TOPIC_PREFIX",
    "HEARBACK_KAFKA_BOOTSTRAP_SERVERS", "HEARBACK_DATABASE_URL",
)  # fmt: skip
"""Read by the stack itself."""
OF_CLIENTS = (
    "HEARBACK_API_KEY", "HEARBACK_MAILBOX_URL", *(f"HEARBACK_{service.upper()}_URL" for service in SERVICES),
)  # fmt: skip
"""Set by the file `env`, for clients."""
OF_THE_MAILBOX = ("HEARBACK_MAILBOX_RULES", "HEARBACK_MAILBOX_DELAY_SECONDS", "HEARBACK_MAILBOX_KEEP")
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


def unknown() -> dict[str, str]:
    """Variables in the environment that nothing reads, such as misspelt settings, each with the likeliest setting, or
    an empty text."""
    known = {
        *OF_THE_STACK, *OF_CLIENTS, *OF_THE_MAILBOX, *OF_ONE_PROCESS,
        *(f"{PREFIX}{name.upper()}" for settings in SETTINGS_OF_PROCESS.values() for name in settings.model_fields),
    }  # fmt: skip
    names = sorted(name.removeprefix(PREFIX) for name in known)
    return {
        name: next(
            (PREFIX + match for match in get_close_matches(name.removeprefix(PREFIX), names, n=1, cutoff=0.8)), ""
        )
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known
    }
