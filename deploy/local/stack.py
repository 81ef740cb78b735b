"""The whole product as one object: Kafka, PostgreSQL, the five processes and the mailbox.

    async with Stack(state=tmp_path, ports=StackPorts.free()) as stack:
        await stack.kill("scorer")          # SIGKILL; the supervisor restarts it
        await stack.ready()                 # … and it is ready again
        await stack.stop("kafka")
        await stack.start("kafka")
        stack.url("collector"), stack.api_key, stack.database.owner_url

`make up`, `make demo`, `make replay` and the end-to-end tests all use it.
"""

import asyncio
import importlib
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from deploy.local.backends import Backends, Report, all_or_none, start_backends, unreported
from deploy.local.external import External
from deploy.local.ports import HOST, StackPorts, free_port, require_free
from deploy.local.programs import BACKENDS, PROJECT, Program
from deploy.local.provision import Database, provision, require_connection
from deploy.local.readiness import answers_ready
from deploy.local.replicas import instances
from deploy.local.secrets_file import StackSecrets, load_or_create, write_private
from deploy.local.state_lock import StateLock
from deploy.local.status import ports_of_running_stack
from deploy.local.supervisor import ProcessRecord, Supervisor, end_leftovers
from shared.processes import PROCESSES, SERVICES, python_arguments, service_of

_AUDIT_SETTINGS = (
    "HEARBACK_TIMEZONE",
    "HEARBACK_QUIET_PERIOD_DAYS",
    "HEARBACK_MINIMUM_ANSWERS",
    "HEARBACK_COMMENTS_KEPT",
    "HEARBACK_COMMENTS_KEPT_DAYS",
    "HEARBACK_CASE_DAYS",
    "HEARBACK_CUSTOMER_RETENTION_DAYS",
    "HEARBACK_ERASED_ID_DAYS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The proxies on this machine through which a process reaches its backends.

    `kafka` is in front of the broker's port `kafka_listener`, `postgresql` in front of the database's own.
    """

    kafka: int
    kafka_listener: int
    postgresql: int


def _of_this_python(process: str) -> Sequence[str]:
    return (sys.executable, *python_arguments(process))


@dataclass(kw_only=True)
class Stack:
    """One running stack. All its files are under `state`; a state folder can be used by one stack at a time.

    clock: the value of HEARBACK_CLOCK for every process. campaigns: a folder of campaign files.
    environment: additional settings for every process; `environment_of`: for single processes, by name.
    replicas: number of instances by process name; the second scorer is called "scorer-2". `replica_ports`: the ports of
    all but the first instances, by that name; one that is not named gets a free one.
    routes: by instance, such as "scorer-2", the proxies between it and the stack's own backends.
    processes: which of PROCESSES to start. command_of: how each is run, by default by this Python.
    external: an existing Kafka or PostgreSQL to use instead of the stack's own.
    """

    state: Path = PROJECT / ".hearback"
    ports: StackPorts = field(default_factory=lambda: StackPorts.from_base(8000))
    clock: str | None = None
    campaigns: Path | None = None
    topic_prefix: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    replicas: Mapping[str, int] = field(default_factory=dict)
    replica_ports: Mapping[str, int] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    processes: Sequence[str] = PROCESSES
    command_of: Callable[[str], Sequence[str]] = _of_this_python
    external: External = field(default_factory=External)
    report: Report = unreported

    def __post_init__(self) -> None:
        self.state = self.state.resolve()
        self._supervisor = Supervisor(self.state / "processes.json")
        self.http_ports = {
            name: getattr(self.ports, process) if name == process else self.replica_ports.get(name) or free_port()
            for process in self.processes
            for name in instances(process, self.replicas.get(process, 1))
        } | {"mailbox": self.ports.mailbox}
        self._stopped: dict[str, Program] = {}
        self._lock = StateLock(self.state)
        self._secrets: StackSecrets
        self._backends: Backends
        self.database: Database

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.down()

    async def up(self) -> None:
        """Starts everything and returns when every process is ready; on any failure nothing is left running.

        The file `env` is written last, so that a start that fails leaves the one of an earlier stack.
        Raises StackError.
        """
        self._lock.take()
        try:
            await asyncio.to_thread(end_leftovers, self.state / "processes.json")
            if overrides := self._overrides():
                from deploy.local.topics import require_acceptable  # slow to import, and most stacks have no settings

                require_acceptable(overrides)
            self._require_ports()
            self._secrets = load_or_create(self.state / "secrets.json")
            external = self.external.other_than(self.ports)
            if external.database_url:
                # Before Kafka, which takes longest to start.
                self.report("postgresql", "asking the server of HEARBACK_DATABASE_URL")
                await require_connection(external.database_url)
            self._backends = await start_backends(
                self._supervisor,
                self.state,
                self.ports,
                self._secrets.database_owner,
                external,
                self.report,
                {route.kafka_listener: route.kafka for route in self.routes.values()},
                self._launch_processes,
            )
            self.report("topics", "creating missing topics")
            from deploy.local.topics import provide_topics  # imported by `_launch_processes`

            await provide_topics(self._service_environment("dispatcher", self.ports.dispatcher))
            await all_or_none(*(self._report_when_ready(name) for name in self.http_ports))
            self._write_env_file()
        except BaseException:
            await self._stop_everything()
            raise

    async def down(self) -> None:
        """Stops everything, the backends last. Leaves no process, and no addresses of one."""
        await self._stop_everything()
        (self.state / "env").unlink(missing_ok=True)

    async def _stop_everything(self) -> None:
        names = self._supervisor.names
        await self._supervisor.stop_all(
            tuple(name for name in names if name not in (*BACKENDS, "mailbox")), ("mailbox",), BACKENDS
        )
        self._lock.release()

    async def ready(self, *names: str) -> None:
        """Returns when the named processes, by default all, are ready. Raises StackError when one is not in time."""
        await asyncio.gather(*(self._supervisor.ready(name) for name in names or self._supervisor.names))

    async def kill(self, name: str) -> int:
        """Sends SIGKILL; returns the process id once it is dead. The supervisor restarts it."""
        return await self._supervisor.kill(name)

    async def stop(self, name: str) -> None:
        """Stops one process gracefully and leaves it down until `start`."""
        self._stopped[name] = await self._supervisor.stop(name)

    async def start(self, name: str) -> None:
        """Starts a stopped process, and returns when it is ready."""
        await self._supervisor.start(self._stopped.pop(name))

    @property
    def running(self) -> dict[str, ProcessRecord]:
        """Name, process id and start time of every running process."""
        return self._supervisor.processes

    def url(self, name: str) -> str:
        """The HTTP address of a process, such as "collector", "scorer-2" or "mailbox"."""
        return f"http://{HOST}:{self.http_ports.get(name) or getattr(self.ports, name)}"

    @property
    def kafka_bootstrap_servers(self) -> str:
        return self._backends.kafka_bootstrap_servers

    @property
    def kafka_jars(self) -> Sequence[Path]:
        """Those of the stack's own Kafka."""
        return self._backends.jars

    @property
    def api_key(self) -> str:
        """A key with every scope."""
        return self._secrets.api_key

    def log_file(self, name: str) -> Path:
        return self.state / "logs" / f"{name}.log"

    def client_environment(self) -> dict[str, str]:
        """The variables a client of this stack needs, as in the state folder's file `env`."""
        return {
            **self._kafka_settings(),
            "HEARBACK_DATABASE_URL": self.database.owner_url,
            **{f"HEARBACK_{service.upper()}_URL": self.url(service) for service in SERVICES},
            "HEARBACK_MAILBOX_URL": self.url("mailbox"),
            "HEARBACK_API_KEY": self.api_key,
            # Needed only by the audit, and only if they are not the defaults.
            **({"HEARBACK_TOPIC_PREFIX": self.topic_prefix} if self.topic_prefix else {}),
            **{name: value for name, value in self._overrides().items() if name in _AUDIT_SETTINGS},
        }

    async def _launch_processes(self, backends: Backends) -> None:
        """They start while Kafka does, and wait for it, and then for their topics, if they are faster."""
        self._backends = backends
        self.report("database", "creating schemas and roles")
        self.database = await provision(backends.database_url, self._secrets.services)
        for program in (self._mailbox(), *self._service_programs()):
            self.report(program.name, "starting")
            self._supervisor.launch(program)
        # Slow to import, which is done here while Kafka starts.
        await asyncio.to_thread(importlib.import_module, "deploy.local.topics")

    async def _report_when_ready(self, name: str) -> None:
        await self._supervisor.ready(name)
        self.report(name, "ready")

    def _service_programs(self) -> list[Program]:
        return [
            self._service_program(process, name)
            for process in self.processes
            for name in instances(process, self.replicas.get(process, 1))
        ]

    def _service_program(self, process: str, name: str) -> Program:
        port = self.http_ports[name]
        service = service_of(process)
        return Program(
            name=name,
            command=tuple(self.command_of(process)),
            log_file=self.log_file(name),
            environment={
                **self._service_environment(service, port),
                **self._routed(name, service),
                **self.environment_of.get(process, {}),
                **self.environment_of.get(name, {}),
            },
            ready=lambda: answers_ready(port),
        )

    def _routed(self, name: str, service: str) -> dict[str, str]:
        route = self.routes.get(name)
        if route is None:
            return {}
        url = urlsplit(self.database.service_urls[service])
        through = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{route.postgresql}")
        return {
            "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{route.kafka}",
            "HEARBACK_DATABASE_URL": urlunsplit(through),
        }

    def _service_environment(self, service: str, port: int) -> dict[str, str]:
        return {
            "HEARBACK_DATABASE_URL": self.database.service_urls[service],
            "HEARBACK_TOPIC_PREFIX": self.topic_prefix,
            "HEARBACK_HTTP_HOST": HOST,
            "HEARBACK_HTTP_PORT": str(port),
            "HEARBACK_SECRET": self._secrets.signing,
            "HEARBACK_PUBLIC_COLLECTOR_URL": self.url("collector"),
            "HEARBACK_DASHBOARD_URL": f"{self.url('scorer')}/",
            "HEARBACK_INBOX_URL": f"{self.url('alerter')}/",
            "HEARBACK_MAIL_FROM": "surveys@shop.example",
            "HEARBACK_SMTP_URL": f"smtp://{HOST}:{self.ports.smtp}",
            "HEARBACK_SMTP_RECEIPTS_URL": f"{self.url('mailbox')}/api/receipts",
            **self._overrides(),
            **self._kafka_settings(),
            # Beside the user's own keys: the clients of this stack, such as the audit, have the local one.
            "HEARBACK_API_KEYS": ";".join(
                filter(None, (self.environment.get("HEARBACK_API_KEYS"), self._secrets.api_keys_setting))
            ),
        }

    def _kafka_settings(self) -> dict[str, str]:
        """The user's, for an existing cluster; the stack's own broker has neither TLS nor users."""
        if self.external.kafka_bootstrap_servers is None:
            security = {"HEARBACK_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}
        else:
            from shared.kafka_settings import PREFIX, KafkaSettings  # slow to import, as above

            names = {PREFIX + name.upper() for name in KafkaSettings.model_fields}
            security = {name: value for name, value in self.environment.items() if name in names}
        return {**security, "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers}

    def _overrides(self) -> dict[str, str]:
        named = {"HEARBACK_CLOCK": self.clock, "HEARBACK_CAMPAIGNS_DIR": self.campaigns}
        return {name: str(value) for name, value in named.items() if value is not None} | dict(self.environment)

    def _mailbox(self) -> Program:
        return Program(
            name="mailbox",
            command=(sys.executable, "-m", "deploy.local.mailbox"),
            log_file=self.log_file("mailbox"),
            environment={
                "HEARBACK_HTTP_HOST": HOST,
                "HEARBACK_HTTP_PORT": str(self.ports.mailbox),
                "HEARBACK_SMTP_PORT": str(self.ports.smtp),
                "HEARBACK_MAILBOX_FILE": str(self.state / "mailbox" / "mails.sqlite"),
                **self._overrides(),
                **self.environment_of.get("mailbox", {}),
            },
            ready=lambda: answers_ready(self.ports.mailbox),
        )

    def _require_ports(self) -> None:
        """Checks only what this stack will listen on: an external cluster may be on our ports."""
        needed = {f"the {name}": port for name, port in self.http_ports.items()}
        needed["the mailbox's SMTP"] = self.ports.smtp
        external = self.external.other_than(self.ports)
        if not external.kafka_bootstrap_servers:
            needed |= {"Kafka": self.ports.kafka, "Kafka's controller": self.ports.kafka_controller}
        if not external.database_url:
            needed["PostgreSQL"] = self.ports.postgresql
        require_free(needed, of_running_stack=ports_of_running_stack())

    def _write_env_file(self) -> None:
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.client_environment().items()]
        write_private(self.state / "env", "".join(lines))
