"""`up`, `status` and `down` as in a terminal, with all five processes, on the session's Kafka and PostgreSQL."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from deploy.local.backends import Backends
from deploy.local.programs import PROJECT
from deploy.local.provision import Database
from deploy.local.status import read_status
from deploy.local.supervisor import read_records, start_time
from shared.processes import PROCESSES
from tests.kit.eventually import until
from tests.kit.ports import free_base
from tests.kit.settings import KEY, api_key


@dataclass(frozen=True)
class Terminal:
    """A terminal; `state` is the stack's folder."""

    state: Path
    environment: dict[str, str]

    async def begin(self, *command: str) -> asyncio.subprocess.Process:
        """Ctrl-C works as in a terminal: a shell's background job, which these tests may be, ignores it."""
        return await asyncio.create_subprocess_exec(
            sys.executable, *(command if command[0] == "-c" else ("-m", "deploy.local", *command)),
            cwd=PROJECT, env=self.environment, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    async def run(self, *command: str) -> tuple[int | None, str]:
        process = await self.begin(*command)
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    def running(self) -> dict[str, int]:
        return {record.name: record.pid for record in read_records(self.state / "processes.json")}


@pytest_asyncio.fixture(loop_scope="session")
async def terminal(
    backends: Backends, empty_database: Database, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Terminal]:
    terminal = Terminal(
        tmp_path / "state",
        {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "HEARBACK_STATE": str(tmp_path / "state"),
            "HEARBACK_PORT_BASE": str(free_base()),
            "HEARBACK_TOPIC_PREFIX": topic_prefix,
            "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": backends.kafka_bootstrap_servers,
            "HEARBACK_DATABASE_URL": empty_database.owner_url,
        },
    )
    yield terminal
    await terminal.run("down")


CTRL_C = """
import atexit, os, signal
from deploy.local import __main__, commands

def ctrl_c(*_):
    os.kill(os.getpid(), signal.SIGINT)

def ctrl_c_after(module, name):
    as_ever = getattr(module, name)
    setattr(module, name, lambda *arguments: (as_ever(*arguments), ctrl_c())[0])
"""
UP = "__main__.app(['up'])"


async def test_a_day_with_the_stack(terminal: Terminal) -> None:
    terminal.environment["HEARBACK_REPLICAS"] = "scorer=2"
    terminal.environment["HEARBACK_API_KEYS"] = api_key("mine", "scores:read")
    base = int(terminal.environment["HEARBACK_PORT_BASE"])
    code, said = await terminal.run("status")
    assert (code, said) == (3, "Nothing is running. `make up` starts it.\n")

    code, said = await terminal.run("up")
    assert code == 0, said
    assert "Up in" in said and "\x1b" not in said, "plain where it is no terminal"
    first = terminal.running()
    assert set(first) == {*PROCESSES, "scorer-2", "mailbox"}, "Kafka and PostgreSQL are somebody else's, and left alone"
    environment = dict(
        line.removeprefix("export ").split("=", 1) for line in (terminal.state / "env").read_text().splitlines()
    )
    async with httpx.AsyncClient() as client:
        for service in ("DISPATCHER", "COLLECTOR", "SCORER", "ALERTER", "MAILBOX"):
            assert (await client.get(f"{environment[f'HEARBACK_{service}_URL']}/readyz")).status_code == 200
        assert (await client.get(f"http://127.0.0.1:{base + 103}/readyz")).status_code == 200, "the second scorer"
        scores = f"{environment['HEARBACK_SCORER_URL']}/v1/nps"
        for key in (environment["HEARBACK_API_KEY"], KEY):
            assert (await client.get(scores, headers={"Authorization": f"Bearer {key}"})).status_code == 200
            assert "HEARBACK_API_KEY" in said
        for service in ("SCORER", "ALERTER"):
            link = f"{environment[f'HEARBACK_{service}_URL']}/sign-in?next=/#key={environment['HEARBACK_API_KEY']}"
            assert link in said.split(), "one that can be opened, whatever the terminal's width"
            assert "HEARBACK_API_KEY" in (await client.get(link)).text
        assert (await client.get(scores, headers={"Authorization": "Bearer hb_wrong"})).status_code == 401

    code, said = await terminal.run("up")
    assert code == 0 and "Already up" in said and "It runs with" not in said
    assert terminal.running() == first
    others = {**terminal.environment, "HEARBACK_REPLICAS": "alerter=2"}
    code, said = await replace(terminal, environment=others).run("up")
    assert code == 0 and "It runs without alerter-2 and with scorer-2: `make down`" in said
    assert terminal.running() == first
    code, said = await terminal.run("-c", f"{CTRL_C}atexit.register(ctrl_c); {UP}")
    assert code == 0 and said.splitlines()[-1].startswith("Already up"), "what was said stands, Ctrl-C or not"
    assert terminal.running() == first

    os.kill(first["scorer-2"], signal.SIGSTOP)
    code, said = await terminal.run("status")
    os.kill(first["scorer-2"], signal.SIGCONT)
    assert code == 1
    assert re.search(r"^ *scorer-2 +\d+ +\d+ +0 +no: does not respond within 2 s *$", said, re.MULTILINE), said
    assert said.count(" yes") == len(first) - 1

    for pid in first.values():
        os.kill(pid, signal.SIGKILL)
    code, said = await terminal.run("up")
    assert code == 0 and "all are up again" in said
    last = terminal.running()
    assert last.keys() == first.keys() and not set(last.values()) & set(first.values())
    elsewhere = Terminal(terminal.state, {**terminal.environment, "HEARBACK_PORT_BASE": "8000"})
    code, said = await elsewhere.run("status")
    assert code == 0, "whoever asks may have forgotten the port base"
    assert re.search(r"^ *scorer-2 +\d+ +\d+ +1 +yes", said, re.MULTILINE), "one restart"
    log = (terminal.state / "logs" / "supervisor.log").read_text()
    assert "scorer-2 was ended by SIGKILL; restart 1" in log

    supervisor = read_status(terminal.state)
    code, said = await terminal.run("down")
    assert (code, said) == (0, "Stopped; no process is left.\n")
    assert [name for name, pid in last.items() if start_time(pid) is not None] == []
    assert supervisor is not None and not supervisor.alive
    assert not (terminal.state / "env").exists()

    assert await terminal.run("down") == (0, "Nothing was running.\n")


async def test_ctrl_c_while_it_starts_leaves_no_process(terminal: Terminal) -> None:
    terminal.state.mkdir()
    (terminal.state / "env").write_text("export HEARBACK_API_KEY=of-an-earlier-stack\n")
    process = await terminal.begin("up")
    await until(lambda: "scorer" in terminal.running(), "the scorer to start", within=60)
    started = terminal.running()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = await process.communicate()
    assert process.returncode == 130
    assert b"Interrupted" in output and b"Traceback" not in output
    assert [name for name, pid in started.items() if start_time(pid) is not None] == []
    assert terminal.running() == {}
    assert "of-an-earlier-stack" in (terminal.state / "env").read_text()


@pytest.mark.parametrize("moment", ["commands, '_start_supervisor'", "__main__, 'show_addresses'"])
async def test_ctrl_c_at_the_very_beginning_or_end_leaves_no_process(terminal: Terminal, moment: str) -> None:
    code, said = await terminal.run("-c", f"{CTRL_C}ctrl_c_after({moment}); {UP}")
    assert code == 130, said
    assert said.endswith("Interrupted; everything is stopped.\n") and "Traceback" not in said
    assert supervisors(terminal.state) == []
    assert terminal.running() == {}


def supervisors(state: Path) -> list[int]:
    """Processes that were started for this folder, whether or not they have written their status."""
    return [
        process.pid for process in psutil.process_iter(["cmdline"]) if str(state) in (process.info["cmdline"] or [])
    ]


async def test_a_service_that_cannot_start_is_told_with_its_own_words_and_nothing_is_left(terminal: Terminal) -> None:
    terminal.environment["HEARBACK_CAMPAIGNS_DIR"] = "/nowhere/campaigns"
    terminal.state.mkdir()
    (terminal.state / "env").write_text("export HEARBACK_API_KEY=of-an-earlier-stack\n")
    code, said = await terminal.run("up")
    assert code == 1
    assert "of-an-earlier-stack" in (terminal.state / "env").read_text()
    assert "dispatcher" in said and "/nowhere/campaigns" in said and "Traceback (most recent" not in said
    assert terminal.running() == {}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT_BASE", "eighty", "HEARBACK_PORT_BASE is 'eighty', which is not a port number: use one such as 18000."),
        ("REPLICAS", "scorer=0", "HEARBACK_REPLICAS asks for scorer=0: use a number from 1 to 9."),
    ],
)
async def test_a_setting_of_the_stack_that_makes_no_sense_is_told_in_one_sentence(
    terminal: Terminal, name: str, value: str, sentence: str
) -> None:
    terminal.environment[f"HEARBACK_{name}"] = value
    assert await terminal.run("up") == (1, f"{sentence}\n")
