"""``python -m shared.healthcheck``: whether the process in the same container is alive, by its exit code, 0 or 1.

With ``--ready HOST:PORT …``: whether all of these processes can work now.

For container runtimes that can only run a command. It imports little, because it is started every few seconds.
"""

import http.client
import os
import sys
from collections.abc import Sequence

_SECONDS = 4
_MOST_TOLD = 2_000


def problem(address: str, path: str) -> str:
    """What the process at ``host:port`` says is wrong, or why it cannot be asked; empty if nothing is."""
    connection = http.client.HTTPConnection(address, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        told = response.read(_MOST_TOLD).decode("utf-8", "replace")
        return "" if response.status == http.client.OK else f"{address}{path}: {told}"
    except (OSError, http.client.HTTPException) as error:
        return f"{address}{path} cannot be read: {error}"
    finally:
        connection.close()


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    if arguments[:1] == ["--ready"]:
        problems = [problem(address, "/readyz") for address in arguments[1:]]
    else:
        problems = [problem(f"127.0.0.1:{os.environ.get('HEARBACK_HTTP_PORT') or 8000}", "/healthz")]
    told = [each for each in problems if each]
    print(*told, sep="\n", end="\n" if told else "", file=sys.stderr)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
