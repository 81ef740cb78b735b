"""Variables that look like settings of ours, but that nothing reads: most likely misspelt."""

import difflib
import re
from collections.abc import Iterable

from shared.kafka_settings import PREFIX
from shared.setting_names import NAMES

# What has another meaning now has another name.
_REPLACED = {"HEARBACK_CONSUMER_LINGER_SECONDS": "HEARBACK_CONSUMER_INTERVAL_SECONDS"}
_MOST = 20
_LONGEST = 100
# What Kubernetes sets in every container for a service called hearback-…: HEARBACK_SCORER_SERVICE_HOST,
# HEARBACK_SCORER_PORT_8003_TCP_ADDR.
_OF_KUBERNETES = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?$")


def unknown_settings(environment: Iterable[str]) -> list[str]:
    """A sentence for each name in ``environment`` that begins like ours and that no process or tool reads, at most 20.

    One that was read by an earlier release is told with what has taken its place.

    Names only, never values.
    """
    return [
        _told(name)
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in NAMES and not _OF_KUBERNETES.search(name)
    ][:_MOST]


def _told(name: str) -> str:
    if name in _REPLACED:
        return f"{name} is no longer read; {_REPLACED[name]} has taken its place, see CHANGELOG.md"
    return f"{name[:_LONGEST]} is not known{_suggestion(name)}"


def _suggestion(name: str) -> str:
    # Without what all have in common, so that it does not count as likeness.
    given = name[:_LONGEST].upper().removeprefix(PREFIX)
    nearest = difflib.get_close_matches(given, sorted(known.removeprefix(PREFIX) for known in NAMES), n=1, cutoff=0.75)
    return f"; did you mean {PREFIX}{nearest[0]}?" if nearest else ""
