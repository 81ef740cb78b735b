"""The whole stack: it starts from scratch, after a crash and after a clean stop, and leaves nothing behind."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy.engine import make_url

from deploy.local.backends import Backends
from deploy.local.errors import StackError
from deploy.local.external import External
from deploy.local.install_folder import remove_data
from deploy.local.ports import HOST, StackPorts, free_port
from deploy.local.programs import PROJECT
from deploy.local.stack import Stack
from deploy.local.supervisor import read_records, start_time


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Kafka, PostgreSQL and the mailbox; the services have tests of their own."""
    state = tmp_path_factory.mktemp("state")
    async with Stack(state=state, ports=StackPorts.free(), processes=()) as stack:
        yield stack
    remove_data(state / "postgresql")


async def test_a_fresh_stack_has_topics_schemas_and_a_mailbox(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    topics = await admin.list_topics()
    await admin.close()
    assert {"orders", "surveys.answers", "nps.scores", "followups.detractors"} <= set(topics)
    scorer = await asyncpg.connect(stack.database.service_urls["scorer"])
    assert await scorer.fetchval("SELECT current_schema()") == "scorer"
    await scorer.close()
    async with httpx.AsyncClient() as client:
        assert (await client.get(stack.url("mailbox"))).status_code == 200


async def test_a_client_gets_everything_by_sourcing_one_file_that_only_its_owner_reads(stack: Stack) -> None:
    file = stack.state / "env"
    assert file.stat().st_mode & 0o777 == 0o600
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", f". {file} && env", stdout=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"]}
    )
    output, _ = await shell.communicate()
    seen = dict(line.split("=", 1) for line in output.decode().splitlines() if line.startswith("HEARBACK_"))
    assert seen == stack.client_environment()


@pytest.mark.parametrize("name", ["kafka", "postgresql", "mailbox"])
async def test_a_killed_process_comes_back_and_the_data_with_it(stack: Stack, name: str) -> None:
    before = await asyncpg.connect(stack.database.owner_url)
    await before.execute(f"CREATE TABLE IF NOT EXISTS kept_{name} (id int)")
    await before.close()
    killed = await stack.kill(name)
    await stack.ready()
    assert stack.running[name].pid != killed
    after = await asyncpg.connect(stack.database.owner_url)
    assert await after.fetchval(f"SELECT count(*) FROM kept_{name}") == 0
    await after.close()


async def test_a_stopped_backend_stays_down_until_it_is_started(stack: Stack) -> None:
    await stack.stop("postgresql")
    assert "postgresql" not in stack.running
    with pytest.raises(OSError):
        await asyncpg.connect(stack.database.owner_url)
    await stack.start("postgresql")
    await (await asyncpg.connect(stack.database.owner_url)).close()


async def test_two_stacks_cannot_share_a_state_folder(stack: Stack) -> None:
    with pytest.raises(StackError, match="Another stack is using"):
        await Stack(state=stack.state, ports=StackPorts.free(), processes=()).up()
    assert set(stack.running) == {"kafka", "postgresql", "mailbox"}


async def test_after_down_no_process_is_left_and_after_up_the_data_are_there(stack: Stack) -> None:
    records = list(stack.running.values())
    owner = await asyncpg.connect(stack.database.owner_url)
    await owner.execute("CREATE TABLE orders_of_yesterday (id int)")
    await owner.close()
    await stack.down()
    assert [record for record in records if start_time(record.pid) is not None] == []
    await stack.up()
    owner = await asyncpg.connect(stack.database.owner_url)
    assert await owner.fetchval("SELECT count(*) FROM orders_of_yesterday") == 0
    await owner.close()


async def test_up_after_everything_was_killed_just_works(stack: Stack) -> None:
    """As when the machine runs out of memory: the supervisor and everything it started are killed together."""
    await stack.down()
    code = (
        "import asyncio\nfrom pathlib import Path\n"
        "from deploy.local.ports import StackPorts\nfrom deploy.local.stack import Stack\n"
        "async def main():\n"
        f"    await Stack(state=Path({str(stack.state)!r}), ports={stack.ports!r}, processes=()).up()\n"
        "    print('up', flush=True)\n    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    assert doomed.stdout is not None and await doomed.stdout.readline() == b"up\n"
    records = read_records(stack.state / "processes.json")
    assert {record.name for record in records} == {"kafka", "postgresql", "mailbox"}
    doomed.kill()
    for record in records:
        with contextlib.suppress(
            ProcessLookupError
        ):  # The kernel may be faster: it ends processes that lost their supervisor.
            os.kill(record.pid, signal.SIGKILL)
    await doomed.wait()
    await stack.up()
    await (await asyncpg.connect(stack.database.owner_url)).close()


async def test_a_taken_port_stops_the_start_before_anything_runs(tmp_path: Path) -> None:
    ports = StackPorts.free()
    with socket.socket() as other:
        other.bind((HOST, ports.kafka))
        other.listen()
        refused = Stack(state=tmp_path, ports=ports, processes=())
        with pytest.raises(StackError, match=f"Port {ports.kafka}, meant for Kafka"):
            await refused.up()
    assert refused.running == {}


async def test_a_setting_that_no_service_accepts_is_named_before_anything_runs(tmp_path: Path) -> None:
    refused = Stack(state=tmp_path, ports=StackPorts.free(), processes=(), clock="yesterday")
    with pytest.raises(StackError, match="HEARBACK_CLOCK: 'yesterday'"):
        await refused.up()
    assert not (tmp_path / "postgresql").exists()


async def test_an_external_server_that_is_not_there_is_named_without_its_password(
    backends: Backends, tmp_path: Path
) -> None:
    kafka, database = backends.kafka_bootstrap_servers, backends.database_url
    nobody = f"{HOST}:{free_port()}"
    for external, words in (
        (
            External(kafka_bootstrap_servers=kafka, database_url=f"postgresql://shop:hidden@{nobody}/shop"),
            "PostgreSQL at .* refuses connections",
        ),
        (External(kafka_bootstrap_servers=nobody, database_url=database), f"Kafka at {nobody}"),
    ):
        refused = Stack(state=tmp_path, ports=StackPorts.free(), processes=(), external=external)
        with pytest.raises(StackError, match=words) as told:
            await refused.up()
        assert "hidden" not in str(told.value)
        assert refused.running == {}


async def test_a_wrong_password_of_an_external_server_is_told_before_anything_is_started(
    postgresql: str, tmp_path: Path
) -> None:
    reported: list[str] = []
    wrong = make_url(postgresql).set(password="hidden").render_as_string(hide_password=False)
    refused = Stack(
        state=tmp_path,
        ports=StackPorts.free(),
        processes=(),
        external=External(database_url=wrong),
        report=lambda part, _status: reported.append(part),
    )
    with pytest.raises(StackError, match="does not accept the password of") as told:
        await refused.up()
    assert "hidden" not in str(told.value)
    assert "kafka" not in reported and not (tmp_path / "kafka").exists()


async def test_a_start_that_fails_leaves_the_addresses_and_keys_of_an_earlier_stack(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("export HEARBACK_API_KEY=of-an-earlier-stack\n")
    nobody = f"postgresql://shop:hidden@{HOST}:{free_port()}/shop"
    refused = Stack(state=tmp_path, ports=StackPorts.free(), processes=(), external=External(database_url=nobody))
    with pytest.raises(StackError):
        await refused.up()
    assert "of-an-earlier-stack" in (tmp_path / "env").read_text()
