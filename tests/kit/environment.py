"""The environment tests run in."""

import os

from deploy.local.external import DATABASE_VARIABLE, KAFKA_VARIABLE, External

KEPT = "HEARBACK_CACHE_DIR"


def forget_settings() -> None:
    """Removes the shell's HEARBACK_ settings: a shell that sourced a stack's `env` must not change what is tested.

    Left are the cache of Kafka's jars, and a Kafka or PostgreSQL to use, unless it is the local stack's own.
    """
    external = External.from_environment()
    backends = {KAFKA_VARIABLE: external.kafka_bootstrap_servers, DATABASE_VARIABLE: external.database_url}
    for name in [name for name in os.environ if name.startswith("HEARBACK_") and name != KEPT]:
        if not backends.get(name):
            del os.environ[name]
