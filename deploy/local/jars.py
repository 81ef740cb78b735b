"""Kafka's jars: resolved once by `jgo`, pinned in `kafka.lock`, verified on every start.

`kafka.lock` has one line per jar, `group:artifact:version sha256`. Starting the stack downloads exactly those jars
(no resolution, no metadata) and rejects a file whose checksum differs.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from deploy.local.errors import StackError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
LOCK_FILE = Path(__file__).with_name("kafka.lock")
LOCK_HEADER = (
    "# Every jar of the local Kafka with its SHA-256 checksum.\n"
    "# Written by `python -m deploy.local lock-jars`; do not edit.\n"
)
PARALLEL_DOWNLOADS = 8

Progress = Callable[[int, int], None]
"""Called with the number of jars done and the total."""


def ignore_progress(_done: int, _total: int) -> None:
    """The default for callers that do not show progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedJar:
    coordinate: str
    sha256: str


def read_lock(lock_file: Path = LOCK_FILE) -> list[LockedJar]:
    """The pinned jars, in class path order. Raises StackError for a line that is not a pin."""
    jars = []
    for number, line in enumerate(lock_file.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match line.split():
            case [coordinate, sha256] if coordinate.count(":") == 2 and len(sha256) == 64:
                jars.append(LockedJar(coordinate=coordinate, sha256=sha256))
            case _:
                raise StackError(
                    f"{lock_file.name}, line {number}: {line!r} is not `group:artifact:version sha256`; "
                    "regenerate the file with `python -m deploy.local lock-jars`."
                )
    return jars


def jar_cache() -> Path:
    """The cache shared by runs and checkouts: `HEARBACK_CACHE_DIR`, or the user's cache."""
    configured = os.environ.get("HEARBACK_CACHE_DIR")
    if configured:
        return Path(configured) / "jars"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hearback" / "jars"


def maven(folder: Path) -> "MavenContext":
    """Downloads into `folder`, from the Maven mirror in jgo's settings if there is one, else from Maven Central."""
    from jgo.config import GlobalSettings  # slow to import, and not needed once the jars are there
    from jgo.maven import MavenContext

    settings = GlobalSettings.load()
    return MavenContext(repo_cache=folder, remote_repos=settings.repositories or None, timeout=30)


async def fetch_jars(
    jars: Sequence[LockedJar], cache: Path | None = None, progress: Progress = ignore_progress
) -> list[Path]:
    """Paths of `jars`, downloading what is missing; every file's checksum is verified every time.

    A file damaged on disk is downloaded again.
    Raises StackError without a network, and when a freshly downloaded file has the wrong checksum.
    """
    cache = cache or jar_cache()
    cache.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    done = 0
    with TemporaryDirectory(dir=cache, prefix=".new-") as drafts, ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:

        async def fetch(jar: LockedJar) -> Path:
            nonlocal done
            path = await loop.run_in_executor(pool, _verified, jar, cache, Path(drafts))
            done += 1
            progress(done, len(jars))
            return path

        return list(await asyncio.gather(*(fetch(jar) for jar in jars)))


def _verified(jar: LockedJar, cache: Path, drafts: Path) -> Path:
    """The jar in the cache. Files enter it by renaming only, so two stacks may share a cache concurrently."""
    group, artifact, version = jar.coordinate.split(":")
    cached = cache.joinpath(*group.split("."), artifact, version, f"{artifact}-{version}.jar")
    if cached.exists() and sha256_of(cached) == jar.sha256:
        return cached
    path = _download(maven(drafts), jar.coordinate)
    actual = sha256_of(path)
    if actual != jar.sha256:
        raise StackError(
            f"{jar.coordinate} was downloaded with SHA-256 {actual}, but {LOCK_FILE.name} pins {jar.sha256}: "
            "it is not the file this project was tested with, so it was discarded; "
            "check your Maven mirror, then try again."
        )
    cached.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(cached)


def _download(context: "MavenContext", coordinate: str) -> Path:
    import requests  # see `maven`

    try:
        path: Path = context.create_dependency(coordinate).artifact.resolve()
    except (requests.RequestException, RuntimeError) as error:
        raise StackError(
            f"{coordinate} could not be downloaded ({type(error).__name__}): connect to the network, or configure "
            "a Maven mirror in jgo's settings (~/.config/jgo.conf, [repositories]), then try again."
        ) from error
    return path


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lock(cache: Path | None = None, lock_file: Path = LOCK_FILE) -> list[LockedJar]:
    """Resolves Kafka's dependencies and pins the result. Needs the network; takes about 15 s.

    Coordinates are resolved one by one: in a joint call the versions managed by one artifact override the other's
    (kafka-clients was downgraded).
    """
    logging.getLogger("jgo").setLevel(logging.ERROR)
    context = maven(cache or jar_cache())
    resolved = _resolve(context, KAFKA)
    log4j = next(c.rsplit(":", 1)[1] for c in resolved if c.startswith("org.apache.logging.log4j:log4j-core:"))
    for coordinate in _resolve(context, f"org.apache.logging.log4j:log4j-slf4j-impl:{log4j}"):
        group_and_artifact = coordinate.rsplit(":", 1)[0]
        if not any(known.rsplit(":", 1)[0] == group_and_artifact for known in resolved):
            resolved.append(coordinate)
    jars = [
        LockedJar(coordinate=coordinate, sha256=sha256_of(_download(context, coordinate))) for coordinate in resolved
    ]
    lock_file.write_text(LOCK_HEADER + "".join(f"{jar.coordinate} {jar.sha256}\n" for jar in jars))
    return jars


def _resolve(context: "MavenContext", coordinate: str) -> list[str]:
    inputs, transitive = context.resolver.resolve([context.create_dependency(coordinate)])
    return [
        f"{found.groupId}:{found.artifactId}:{found.version}"
        for found in [*inputs, *transitive]
        if found.scope not in ("test", "provided")
    ]
