"""``python -m shared.healthcheck``: whether the process in the same container is alive, by its exit code, 0 or 1.

For container runtimes that can only run a command. It imports little, because it is started every few seconds.
"""

import http.client
import os
import sys

_SECONDS = 4


def problem(host: str, port: int) -> str:
    """Why the process does not count as alive; empty if it does."""
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        return "" if response.status == http.client.OK else response.read(2_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return f"/healthz at port {port} cannot be read: {error}"
    finally:
        connection.close()


def main() -> int:
    """The exit code."""
    said = problem("127.0.0.1", int(os.environ.get("HEARBACK_HTTP_PORT") or 8000))
    if said:
        print(said, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
