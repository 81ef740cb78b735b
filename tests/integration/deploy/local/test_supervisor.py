"""The supervisor with real processes: what dies is restarted, and nothing is ever left behind."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local import supervisor as supervisor_module
from deploy.local.errors import StackError
from deploy.local.programs import PROJECT, Program
from deploy.local.supervisor import (
    ProcessRecord,
    Supervisor,
    end_leftovers,
    read_records,
    start_time,
    write_records,
)
from tests.kit.eventually import until

SLEEP = "import time; time.sleep(600)"


@pytest_asyncio.fixture(loop_scope="session")
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "processes.json")
    yield supervisor
    await supervisor.stop_all()


def python(code: str, folder: Path, name: str = "worker") -> Program:
    return Program(name=name, command=(sys.executable, "-c", code), log_file=folder / f"{name}.log", ready_within=20)


async def test_a_killed_process_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(python(SLEEP, tmp_path))
    killed = await supervisor.kill("worker")
    await supervisor.ready("worker")
    assert supervisor.processes["worker"].pid != killed
    assert start_time(killed) is None


async def test_the_state_file_tells_the_process_that_runs_now(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(python(SLEEP, tmp_path))
    await supervisor.kill("worker")
    await supervisor.ready("worker")
    assert read_records(tmp_path / "processes.json") == [supervisor.processes["worker"]]


async def never() -> bool:
    return False


@pytest.mark.parametrize(("status", "tries"), [(1, supervisor_module.DEATHS_WHILE_STARTING), (2, 1)])
async def test_a_program_that_never_gets_ready_is_given_up_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path, status: int, tries: int
) -> None:
    """Status 2 means that a setting is invalid: there are no retries."""
    code = f"import sys; print('HEARBACK_CLOCK: yesterday is no clock', flush=True); sys.exit({status})"
    with pytest.raises(StackError, match="yesterday is no clock"):
        await supervisor.start(replace(python(code, tmp_path), ready=never))
    assert (tmp_path / "worker.log").read_text().count("yesterday") == tries


async def test_a_program_that_does_not_exist_is_told_at_once(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="worker cannot be started"):
        await supervisor.start(replace(python(SLEEP, tmp_path), command=("/nowhere/at-all",)))


async def test_a_process_that_ignores_sigterm_is_killed_after_its_time(supervisor: Supervisor, tmp_path: Path) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
    await supervisor.start(replace(python(deaf, tmp_path), stop_within=0.3))
    await until(lambda: "deaf" in (tmp_path / "worker.log").read_text(), "its word")
    pid = supervisor.processes["worker"].pid
    await supervisor.stop("worker")
    assert start_time(pid) is None


async def test_processes_stop_in_the_order_asked_for(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in ("broker", "service"):
        code = (
            "import signal, sys\n"
            f"def stop(*_): open({str(order)!r}, 'a').write('{name} '); sys.exit()\n"
            "signal.signal(signal.SIGTERM, stop); print('set', flush=True)\n"
            "while True: signal.pause()"
        )
        await supervisor.start(python(code, tmp_path, name))
        await until(lambda log=tmp_path / f"{name}.log": "set" in log.read_text(), "its word")  # type: ignore[misc]
    await supervisor.stop_all(("service",), ("broker",))
    assert order.read_text() == "service broker "


async def test_no_process_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from deploy.local.programs import Program\nfrom deploy.local.supervisor import Supervisor\n"
        "async def main():\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    supervisor = Supervisor(folder / 'processes.json')\n"
        f"    command = (sys.executable, '-c', {SLEEP!r})\n"
        "    await supervisor.start(Program(name='worker', command=command, log_file=folder / 'worker.log'))\n"
        "    print('started', flush=True)\n    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    assert doomed.stdout is not None and await doomed.stdout.readline() == b"started\n"
    [worker] = read_records(tmp_path / "processes.json")
    doomed.kill()
    await doomed.wait()
    await until(lambda: start_time(worker.pid) is None, "its end")


def test_what_a_crash_left_is_ended_and_a_stranger_with_its_number_is_not(tmp_path: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", SLEEP])
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        state_file = tmp_path / "processes.json"
        ours = ProcessRecord(name="scorer", pid=left.pid, started=start_time(left.pid) or 0)
        reused = ProcessRecord(name="alerter", pid=stranger.pid, started=(start_time(stranger.pid) or 0) - 1)
        write_records(state_file, [ours, reused])
        assert end_leftovers(state_file) == [ours]
        assert left.wait(5) == -signal.SIGKILL
        assert stranger.poll() is None
        assert not state_file.exists()
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()


@pytest.mark.parametrize("text", ["", "{broken", "[]"])
def test_a_state_file_cut_short_by_a_crash_ends_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "processes.json").write_text(text)
    assert end_leftovers(tmp_path / "processes.json") == []


async def test_logs_stay_bounded_while_the_writer_goes_on(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "LOG_BYTES", 10_000)
    monkeypatch.setattr(supervisor_module, "LOG_CHECK", 0.05)
    await supervisor.start(python("while True: print('x' * 99)", tmp_path))
    log, old = tmp_path / "worker.log", tmp_path / "worker.log.1"
    await until(old.exists, "the old log")
    os.kill(supervisor.processes["worker"].pid, signal.SIGSTOP)
    await until(lambda: log.stat().st_size <= 10_000, "the log to be emptied")
    os.kill(supervisor.processes["worker"].pid, signal.SIGCONT)
    await until(lambda: log.stat().st_size > 0, "the writer to go on")
    assert b"\0" not in log.read_bytes()[:100]


async def test_a_program_gets_its_own_settings_and_none_of_ours(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARBACK_DATABASE_URL", "postgresql://owner@somewhere/else")
    code = (
        "import json, os, time\n"
        "print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('HEARBACK_')}), flush=True)\n"
        "time.sleep(600)"
    )
    await supervisor.start(replace(python(code, tmp_path), environment={"HEARBACK_CLOCK": "real"}))
    await until(lambda: "}" in (tmp_path / "worker.log").read_text(), "its settings")
    assert json.loads((tmp_path / "worker.log").read_text()) == {"HEARBACK_CLOCK": "real"}


async def test_each_restart_is_logged_with_how_the_process_ended_and_how_often(
    supervisor: Supervisor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await supervisor.start(python(SLEEP, tmp_path))
    await supervisor.kill("worker")
    await supervisor.ready("worker")
    os.kill(supervisor.processes["worker"].pid, signal.SIGTERM)
    await until(lambda: "restart 2" in caplog.text, "the second restart to be told")
    await supervisor.ready("worker")
    supervisor.launch(python("import sys; sys.exit(7)", tmp_path, "other"))
    await until(lambda: "other" in caplog.text, "its restart to be told")
    assert [line.rpartition(", in ")[0] for line in caplog.messages[:3]] == [
        "worker was ended by SIGKILL; restart 1",
        "worker was ended by SIGTERM; restart 2",
        "other exited with status 7; restart 1",
    ]
    [worker] = [record for record in read_records(tmp_path / "processes.json") if record.name == "worker"]
    assert worker.restarts == 2


async def test_while_its_state_file_cannot_be_written_processes_are_restarted_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "state"
    supervisor = Supervisor(folder / "processes.json")
    try:
        await supervisor.start(python(SLEEP, tmp_path))
        shutil.rmtree(folder)
        folder.write_text("in the way")
        for _ in range(2):
            await supervisor.kill("worker")
            await supervisor.ready("worker")
        assert caplog.text.count("cannot be written") == 1
        folder.unlink()
        await supervisor.kill("worker")
        await supervisor.ready("worker")
        assert read_records(folder / "processes.json") == [supervisor.processes["worker"]]
    finally:
        await supervisor.stop_all()


async def test_a_program_that_cannot_be_started_again_yet_is_tried_until_it_can(
    supervisor: Supervisor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a full disk, where its log cannot be opened."""
    logs = tmp_path / "logs"
    await supervisor.start(python(SLEEP, logs))
    shutil.rmtree(logs)
    logs.write_text("in the way")
    await supervisor.kill("worker")
    await until(lambda: "worker cannot be started" in caplog.text, "its failure to be told")
    logs.unlink()
    await supervisor.ready("worker")
