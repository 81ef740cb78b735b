import socket
from dataclasses import astuple

import pytest

from deploy.local import ports
from deploy.local.errors import StackError
from deploy.local.ports import HOST, StackPorts, require_free


def test_the_port_base_moves_every_port_by_the_same_distance() -> None:
    here, there = astuple(StackPorts.from_base(8000)), astuple(StackPorts.from_base(18000))
    assert {b - a for a, b in zip(here, there, strict=True)} == {10_000}
    assert StackPorts.from_base(8000).dispatcher == 8001
    assert len(set(here)) == len(here)


@pytest.mark.parametrize("base", [0, 80, 65_001, 70_000])
def test_an_invalid_port_base_is_named(base: int) -> None:
    with pytest.raises(StackError, match=f"HEARBACK_PORT_BASE is {base}"):
        StackPorts.from_base(base)


def test_free_ports_are_all_different() -> None:
    chosen = astuple(StackPorts.free())
    assert len(set(chosen)) == len(chosen)


def test_a_port_chosen_before_is_not_chosen_again_while_there_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "FREE_UNTIL", ports.FREE_FROM + 100)
    monkeypatch.setattr(ports, "_chosen", set())
    chosen = [ports.free_port() for _ in range(40)]
    assert len(set(chosen)) == len(chosen)
    for _ in range(100):  # rather than end, it chooses again
        assert ports.FREE_FROM <= ports.free_port() < ports.FREE_UNTIL


def test_a_port_in_use_is_reported_with_the_way_out() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=f"Port {port}, meant for the scorer.*HEARBACK_PORT_BASE") as raised:
            require_free({"the scorer": port})
        assert str(raised.value).count("\n") == 0
        assert "another program" in str(raised.value)
        with pytest.raises(StackError, match=f"Port {port}.*Hearback itself.*make down.*HEARBACK_PORT_BASE"):
            require_free({"the scorer": port}, of_running_stack=[port])
    require_free({"the scorer": port})
