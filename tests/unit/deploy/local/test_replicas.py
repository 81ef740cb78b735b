"""HEARBACK_REPLICAS: what it says is run, each on a port that can be guessed; what it cannot mean is refused."""

import pytest

from deploy.local.errors import StackError
from deploy.local.ports import StackPorts
from deploy.local.replicas import read_replicas, replica_ports


@pytest.mark.parametrize(
    ("setting", "replicas"),
    [
        ("", {}),
        ("scorer=3", {"scorer": 3}),
        (" scorer = 3 , collector=2, ", {"scorer": 3, "collector": 2}),
        ("courier=1", {"courier": 1}),
    ],
)
def test_what_it_says(setting: str, replicas: dict[str, int]) -> None:
    assert read_replicas(setting) == replicas


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("scorer", "has 'scorer': write a process, =, and how many"),
        ("scorer:3", "has 'scorer:3'"),
        ("scorer=many", "has 'scorer=many'"),
        ("scorer=-1", "has 'scorer=-1'"),
        ("scorer=0", "asks for scorer=0: use a number from 1 to 9"),
        ("scorer=10", "asks for scorer=10"),
        ("scorers=2", "names 'scorers': the processes are dispatcher, collector"),
        ("kafka=2", "names 'kafka'"),
        ("scorer=2,scorer=3", "names scorer twice"),
    ],
)
def test_what_it_cannot_mean(setting: str, sentence: str) -> None:
    with pytest.raises(StackError, match=r"^HEARBACK_REPLICAS ") as raised:
        read_replicas(setting)
    assert sentence in str(raised.value)


def test_the_nth_instance_listens_a_hundred_ports_above_the_one_before() -> None:
    ports = replica_ports(StackPorts.from_base(8000), {"scorer": 3, "courier": 2, "alerter": 1})
    assert ports == {"scorer-2": 8103, "scorer-3": 8203, "courier-2": 8110}


def test_a_port_beyond_the_last_is_refused() -> None:
    with pytest.raises(StackError, match="scorer-7 would listen on port 65603"):
        replica_ports(StackPorts.from_base(65_000), {"scorer": 9})
