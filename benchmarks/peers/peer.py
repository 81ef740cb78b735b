"""The peers: what runs each, and where its counts are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.installation import KAFKA_STREAMS_LOCK, kafka_streams, pinned_version, python_of
from deploy.local.jars import read_lock

_PROGRAMS = "benchmarks.peers.programs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """``before`` is run once, with an empty state folder."""

    run: Sequence[str]
    before: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """``install`` raises CannotInstall or StackError; ``commands`` takes what it returned and the state folder.

    ``topic`` is where its counts are, from its name and that of the topic made for them; None for a SQLite file.
    """

    name: str
    version: Callable[[], str]
    guarantee: str
    install: Callable[[], Awaitable[Sequence[str]]]
    commands: Callable[[Sequence[str], Path], Commands]
    topic: Callable[[str, str], str] | None = lambda _name, output: output
    environment: Mapping[str, str] = field(default_factory=dict)


def _python_peer(
    name: str,
    package: str,
    *,
    guarantee: str,
    run: Callable[[Path], Sequence[str]],
    before: Callable[[Path], Sequence[str]] = lambda _state: (),
    topic: Callable[[str, str], str] | None = lambda _name, output: output,
    requirements: str = "",
    environment: Mapping[str, str] | None = None,
) -> Peer:
    """``run`` and ``before`` are arguments of Python's ``-m``, given the state folder; ``requirements`` are those of
    the peer of this name, by default its own.
    """

    async def install() -> Sequence[str]:
        return (str(await python_of(requirements or name)), "-m")

    def commands(python: Sequence[str], state: Path) -> Commands:
        first = before(state)
        return Commands(run=(*python, *run(state)), before=(*python, *first) if first else ())

    return Peer(
        name=name,
        version=lambda: pinned_version(requirements or name, package),
        guarantee=guarantee,
        install=install,
        commands=commands,
        topic=topic,
        environment=environment or {},
    )


def _kafka_streams_version() -> str:
    coordinates = [jar.coordinate for jar in read_lock(KAFKA_STREAMS_LOCK)]
    return next(found.rsplit(":", 1)[1] for found in coordinates if ":kafka-streams:" in found)


PEERS = (
    _python_peer(
        "confluent-kafka",
        "confluent-kafka",
        guarantee="transactions by hand, nothing kept but topics",
        run=lambda _: (f"{_PROGRAMS}.confluent_consumer",),
    ),
    _python_peer(
        "faststream",
        "faststream",
        guarantee="at least once, into SQLite by hand",
        run=lambda _: (f"{_PROGRAMS}.faststream_batches",),
        topic=None,
    ),
    _python_peer(
        "quix-streams",
        "quixstreams",
        guarantee="exactly-once, RocksDB and changelogs",
        run=lambda _: (f"{_PROGRAMS}.quix_streams",),
    ),
    _python_peer(
        "bytewax",
        "bytewax",
        guarantee="recovery store (SQLite) each second",
        run=lambda state: (
            "bytewax.run",
            f"{_PROGRAMS}.bytewax_dataflow:flow",
            "-r",
            str(state),
            "-s",
            "1",
            "-b",
            "0",
        ),
        before=lambda state: ("bytewax.recovery", str(state), "1"),
    ),
    *(
        _python_peer(
            name,
            "faust-streaming",
            requirements="faust",
            environment={"PEER_GUARANTEE": guarantee},
            guarantee=f"{guarantee}, RocksDB and changelogs",
            run=lambda _: (f"{_PROGRAMS}.faust_agents", "worker", "--loglevel", "info", "--without-web"),
            topic=lambda name, _output: f"{name}-counts-changelog",
        )
        for name, guarantee in (("faust", "at_least_once"), ("faust-exactly-once", "exactly_once"))
    ),
    Peer(
        name="kafka-streams",
        version=_kafka_streams_version,
        guarantee="exactly_once_v2, RocksDB and changelogs",
        install=kafka_streams,
        commands=lambda java, _: Commands(run=java),
    ),
)
