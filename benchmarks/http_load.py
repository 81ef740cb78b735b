"""A load generator in a process of its own: keeps a number of HTTP connections busy with prepared requests.

``python -m benchmarks.http_load HOST PORT CONNECTIONS FILE``: FILE has the requests, one after another, as written by
``write_requests``. Prints JSON: seconds, every request's latency, and how often each status came. It parses just enough
of a response to find its end, so that it costs little of the processors it shares with what it measures.
"""

import asyncio
import struct
import sys
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson
import uvloop

from deploy.local.programs import PROJECT

_LENGTH = struct.Struct("<I")


class Failed(RuntimeError):
    """A connection was closed, or a response could not be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of it. ``latencies`` are sorted, in seconds; ``statuses`` has how many responses had which."""

    seconds: float
    latencies: list[float]
    statuses: Mapping[int, int]
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


def request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request's bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: benchmark", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def write_requests(file: Path, requests: Iterable[bytes]) -> None:
    with file.open("wb") as out:
        for each in requests:
            out.write(_LENGTH.pack(len(each)) + each)


async def load(host: str, port: int, connections: int, file: Path) -> Load:
    """Sends the requests of the file, each once. Raises Failed."""
    process = await create_subprocess_exec(
        sys.executable, "-m", "benchmarks.http_load", host, str(port), str(connections), str(file),
        cwd=PROJECT, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise Failed(errors.decode(errors="replace").strip()[-500:])
    told = orjson.loads(out)
    return Load(
        seconds=told["seconds"],
        latencies=told["latencies"],
        statuses={int(status): count for status, count in told["statuses"].items()},
        cpu_seconds=told["cpu_seconds"],
    )


class _Connection(asyncio.Protocol):
    """Sends the next request when the response to the last one is complete."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], statuses: "Counter[int]") -> None:
        self._requests = requests
        self._latencies = latencies
        self._statuses = statuses
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def start(self) -> None:
        following = next(self._requests, None)
        if following is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head, separator, body = received.partition(b"\r\n\r\n")
        found = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] if separator else b""
        if not separator or len(body) < int(found):
            self._received = received
            return
        self._received = b""
        self._latencies.append(time.perf_counter() - self._sent)
        self._statuses[int(head[9:12])] += 1
        self.start()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(Failed(f"the connection was closed: {error}"))


def _read_requests(file: Path) -> Iterator[bytes]:
    content = file.read_bytes()
    place = 0
    while place < len(content):
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size
        yield content[place : place + length]
        place += length


async def _generate(host: str, port: int, connections: int, file: Path) -> None:
    requests = iter(list(_read_requests(file)))
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: _Connection(requests, latencies, statuses), host, port))[1]
        for _ in range(connections)
    ]
    used = time.process_time()
    began = time.perf_counter()
    for connection in opened:
        connection.start()
    await asyncio.gather(*(connection.done for connection in opened))
    seconds = time.perf_counter() - began
    told = {
        "seconds": seconds,
        "latencies": sorted(latencies),
        "statuses": {str(status): count for status, count in statuses.items()},
        "cpu_seconds": time.process_time() - used,
    }
    sys.stdout.buffer.write(orjson.dumps(told))


if __name__ == "__main__":
    uvloop.run(_generate(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
