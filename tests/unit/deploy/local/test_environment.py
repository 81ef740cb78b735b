"""Which of the shell's settings reach the processes of `make up`."""

import os

import pytest

from deploy.local.environment import not_used, settings_from_environment


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEARBACK_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "name",
    [
        "HEARBACK_API_KEYS",
        "HEARBACK_SECRET",
        "HEARBACK_FORMER_SECRETS",
        "HEARBACK_PUBLIC_COLLECTOR_URL",
        "HEARBACK_BRAND_NAME",
        "HEARBACK_QUIET_DAY",
    ],
)
def test_what_the_user_sets_is_passed_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also what no process knows: `make up` tells it."""
    monkeypatch.setenv(name, "theirs")
    assert settings_from_environment() == {name: "theirs"}
    assert not_used() == []


@pytest.mark.parametrize("name", ["HEARBACK_PORT_BASE", "HEARBACK_REPLICAS", "HEARBACK_API_KEY", "HEARBACK_SCORER_URL"])
def test_what_is_the_stacks_own_or_for_clients_is_not(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "theirs")
    assert settings_from_environment() == {}
    assert not_used() == []


def test_what_nobody_gets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARBACK_HTTP_PORT", "80")
    assert settings_from_environment() == {}
    assert not_used() == ["HEARBACK_HTTP_PORT"]
