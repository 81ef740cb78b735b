"""Fetching Kafka's jars from a Maven repository over HTTP: a local one that can serve wrong files."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.jars import KAFKA, LockedJar, fetch_jars, read_lock
from deploy.local.ports import HOST, free_port

COORDINATE = "org.example:tool:1.0"
JAR = Path("org/example/tool/1.0/tool-1.0.jar")
CONTENT = b"what the project was tested with"
PIN = LockedJar(coordinate=COORDINATE, sha256=hashlib.sha256(CONTENT).hexdigest())


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder a Maven mirror serves, with the right jar in it; jgo is configured with the mirror."""
    folder = tmp_path / "repository"
    (folder / JAR).parent.mkdir(parents=True)
    (folder / JAR).write_bytes(CONTENT)
    server = ThreadingHTTPServer((HOST, 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    use_mirror(f"http://{HOST}:{server.server_port}", tmp_path, monkeypatch)
    yield folder
    server.shutdown()
    server.server_close()


def use_mirror(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\nmirror = {url}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))


async def test_a_jar_is_downloaded_once_and_then_found(repository: Path, tmp_path: Path) -> None:
    [path] = await fetch_jars([PIN], tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    (repository / JAR).unlink()
    assert await fetch_jars([PIN], tmp_path / "cache") == [path]


async def test_a_jar_with_the_wrong_checksum_is_rejected_and_discarded(repository: Path, tmp_path: Path) -> None:
    (repository / JAR).write_bytes(CONTENT + b", and something more")
    with pytest.raises(StackError, match=COORDINATE):
        await fetch_jars([PIN], tmp_path / "cache")
    assert not (tmp_path / "cache" / JAR).exists()


@pytest.mark.parametrize("damaged", [CONTENT[:5], CONTENT + b"tampered"])
async def test_a_jar_damaged_on_disk_is_downloaded_again(repository: Path, tmp_path: Path, damaged: bytes) -> None:
    [path] = await fetch_jars([PIN], tmp_path / "cache")
    path.write_bytes(damaged)
    assert (await fetch_jars([PIN], tmp_path / "cache"))[0].read_bytes() == CONTENT


async def test_without_a_network_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_mirror(f"http://{HOST}:{free_port()}", tmp_path, monkeypatch)
    with pytest.raises(StackError, match="connect to the network"):
        await fetch_jars([PIN], tmp_path / "cache")


async def test_progress_counts_every_jar(repository: Path, tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    await fetch_jars([PIN], tmp_path / "cache", lambda done, wanted: said.append((done, wanted)))
    assert said == [(1, 1)]


async def test_two_stacks_fetch_into_one_cache_at_once(repository: Path, tmp_path: Path) -> None:
    fetched = await asyncio.gather(*(fetch_jars([PIN], tmp_path / "cache") for _ in range(5)))
    assert {path.read_bytes() for [path] in fetched} == {CONTENT}
    assert [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".new-")] == []


def test_the_committed_lock_pins_kafka_and_what_writes_its_log() -> None:
    coordinates = [jar.coordinate for jar in read_lock()]
    assert KAFKA in coordinates
    versions = {c.split(":")[1]: c.split(":")[2] for c in coordinates}
    assert versions["kafka-clients"] == KAFKA.split(":")[2]
    assert versions["log4j-slf4j-impl"] == versions["log4j-core"]
    assert len(versions) == len(coordinates), "the same jar in two versions"


@pytest.mark.parametrize("line", ["org.example:tool:1.0", "org.example:tool " + "0" * 64, "a:b:1 " + "0" * 63])
def test_an_invalid_line_is_rejected_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "kafka.lock").write_text(f"# comment\n{line}\n")
    with pytest.raises(StackError, match="line 2"):
        read_lock(tmp_path / "kafka.lock")
