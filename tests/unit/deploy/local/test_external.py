"""Which backends are the stack's own."""

from pathlib import Path

import pytest

from deploy.local.external import DATABASE_VARIABLE, KAFKA_VARIABLE, External
from deploy.local.ports import HOST, StackPorts
from deploy.local.status import StatusFile

ELSEWHERE = External(kafka_bootstrap_servers="kafka.example:9092", database_url="postgresql://shop:x@db.example/shop")


def own_backends(ports: StackPorts) -> External:
    return External(
        kafka_bootstrap_servers=f"{HOST}:{ports.kafka}",
        database_url=f"postgresql://hearback:x@{HOST}:{ports.postgresql}/hearback",
    )


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the local stack."""
    monkeypatch.setenv("HEARBACK_STATE", str(tmp_path))
    return tmp_path


def name(external: External, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KAFKA_VARIABLE, external.kafka_bootstrap_servers or "")
    monkeypatch.setenv(DATABASE_VARIABLE, external.database_url or "")


def test_a_shell_that_sourced_our_env_file_does_not_make_our_servers_external() -> None:
    ports = StackPorts.from_base(8000)
    own = own_backends(ports)
    assert own.other_than(ports) == External()
    assert ELSEWHERE.other_than(ports) == ELSEWHERE
    assert own.other_than(StackPorts.from_base(18000)) == own


def test_the_local_stacks_backends_are_not_external(monkeypatch: pytest.MonkeyPatch) -> None:
    name(own_backends(StackPorts.from_base(8000)), monkeypatch)
    assert External.from_environment() == External()
    monkeypatch.setenv("HEARBACK_PORT_BASE", "18000")
    name(own_backends(StackPorts.from_base(18000)), monkeypatch)
    assert External.from_environment() == External()


def test_nor_are_those_of_a_stack_that_was_started_with_another_port_base(
    monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    moved = StackPorts.from_base(18000)
    StatusFile(state, moved).enter("ready")
    name(own_backends(moved), monkeypatch)
    assert External.from_environment() == External()


def test_backends_elsewhere_are_external(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    StatusFile(state, StackPorts.from_base(18000)).enter("ready")
    name(ELSEWHERE, monkeypatch)
    assert External.from_environment() == ELSEWHERE
