"""Which ports are known to be those of the running stack."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import pytest

from deploy.local.commands import why_nothing_runs
from deploy.local.ports import StackPorts
from deploy.local.status import StatusFile, ports_of_running_stack

PORTS = StackPorts.from_base(18000)


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HEARBACK_STATE", str(tmp_path))
    return tmp_path


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch, state: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Another process, whose status says that its stack is ready."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: other.pid)
            StatusFile(state, PORTS).enter("ready")
        yield other
        other.kill()


@pytest.mark.usefixtures("supervisor")
def test_a_running_stack_is_known_by_its_status() -> None:
    assert ports_of_running_stack() == astuple(PORTS)


def test_a_dead_one_has_no_ports(supervisor: "subprocess.Popen[bytes]") -> None:
    supervisor.kill()
    supervisor.wait()
    assert ports_of_running_stack() == ()


def test_a_stack_that_is_starting_does_not_take_itself_for_another(state: Path) -> None:
    assert ports_of_running_stack() == ()
    StatusFile(state, PORTS).enter("starting")
    assert ports_of_running_stack() == ()


def test_why_nothing_runs(state: Path, supervisor: "subprocess.Popen[bytes]") -> None:
    assert why_nothing_runs(state / "never") == "Nothing is running. `make up` starts it."
    assert why_nothing_runs(state) == "Nothing is running yet."
    supervisor.kill()
    supervisor.wait()
    assert "the supervisor ended unexpectedly" in why_nothing_runs(state)
    assert str(state / "logs" / "supervisor.log") in why_nothing_runs(state)


def test_a_start_that_failed_is_remembered(state: Path, supervisor: "subprocess.Popen[bytes]") -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: supervisor.pid)
        StatusFile(state, PORTS).enter("failed", "Port 8001 is already in use.")
    supervisor.kill()
    supervisor.wait()
    assert why_nothing_runs(state) == "Nothing is running; the last start failed: Port 8001 is already in use."
