"""`clean` deletes the files of stacks, but never those of a running one."""

import fcntl
from pathlib import Path

import pytest

from deploy.local.commands import remove_state, take_down
from deploy.local.errors import StackError


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """What `make up` and `make replay` leave when they have stopped."""
    for folder in (tmp_path / "state", tmp_path / "state" / "replay"):
        (folder / "logs").mkdir(parents=True)
        (folder / "lock").touch()
    return tmp_path / "state"


def test_everything_is_deleted(state: Path) -> None:
    remove_state(state)
    assert not state.exists()


def test_deleting_nothing_is_fine(tmp_path: Path) -> None:
    remove_state(tmp_path / "never")


@pytest.mark.parametrize("running", ["lock", "replay/lock"])
def test_nothing_is_deleted_while_a_stack_in_another_terminal_runs(state: Path, running: str) -> None:
    with (state / running).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StackError, match="in use by a stack in another terminal"):
            remove_state(state)
    assert (state / "logs").exists() and (state / "replay" / "logs").exists()


def test_down_does_not_claim_to_stop_a_stack_in_another_terminal(state: Path) -> None:
    with (state / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StackError, match="Ctrl-C"):
            take_down(state)
