"""The compose file agrees with the code: its commands, settings, secrets and ports exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml

from deploy.local.programs import PROJECT
from shared.persistence.urls import driver_url
from shared.processes import PROCESSES, service_of
from shared.setting_names import NAMES
from tools.hearback.__main__ import app
from tools.hearback.role_settings import RoleSettings
from tools.settings_of_process import SETTINGS_OF_PROCESS

FOLDER = PROJECT / "deploy" / "compose"
ONCE = ("prepare", "migrate", "topics")
OF_COMPOSE = {"HEARBACK_IMAGE", "HEARBACK_BIND"}
"""Read by the compose file itself."""
SCHEMA = "github.com/compose-spec/compose-go/v2@v2.9.0"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return read


def test_each_process_is_run_by_its_command(compose: dict[str, Any]) -> None:
    run = {name: service["command"] for name, service in compose["services"].items() if "command" in service}
    assert {name: run[name] for name in PROCESSES} == {name: ["run", name] for name in PROCESSES}
    assert run.keys() == {*PROCESSES, *ONCE}


@pytest.mark.parametrize("name", [*PROCESSES, *ONCE])
def test_a_command_is_one_of_ours(compose: dict[str, Any], name: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in compose["services"][name]["command"]:
        if not hasattr(command, "commands"):
            assert word in PROCESSES  # an argument
            break
        command = command.commands[word]


@pytest.mark.parametrize("name", [*PROCESSES, *ONCE])
def test_a_container_can_do_no_more_than_it_has_to(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("ports"), "only the proxy is reached from outside"


def test_settings_are_those_that_something_reads(compose: dict[str, Any]) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    assert set(re.findall(r"HEARBACK_[A-Z_]+", text)) <= NAMES | OF_COMPOSE
    for service in compose["services"].values():
        for secret in service.get("secrets", ()):
            name = secret["target"] if isinstance(secret, dict) else secret
            assert name == "owner_password" or name.upper() in NAMES, name


def test_what_a_service_needs_is_there(compose: dict[str, Any]) -> None:
    services, secrets = compose["services"], compose["secrets"]
    for service in services.values():
        assert service.get("depends_on", {}).keys() <= services.keys()
        for secret in service.get("secrets", ()):
            assert (secret["source"] if isinstance(secret, dict) else secret) in secrets
        for network in service.get("networks", ()):
            assert network in compose["networks"]
    for name in PROCESSES:
        assert services[name]["depends_on"].keys() == {"migrate", "topics"}
        [database] = [each for each in services[name]["secrets"] if isinstance(each, dict)]
        assert database == {"source": f"{service_of(name)}_database_url", "target": "hearback_database_url"}


def test_the_proxy_reaches_each_service_at_the_port_of_the_image(compose: dict[str, Any]) -> None:
    caddy = (FOLDER / "Caddyfile").read_text()
    dockerfile = (PROJECT / "deploy" / "images" / "Dockerfile").read_text()
    [port] = re.findall(r"HEARBACK_HTTP_PORT=(\d+)", dockerfile)
    assert f"dynamic a {{args[0]}} {port}" in caddy
    reached = dict(re.findall(r"^:(\d+) \{\n\timport replicas (\w+)", caddy, re.M))
    published = {each.rsplit(":", 1)[1] for each in compose["services"]["proxy"]["ports"]}
    assert reached.keys() == published and set(reached.values()) <= set(PROCESSES)


def test_the_secrets_that_are_made_can_be_used(compose: dict[str, Any], tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    shutil.copy(FOLDER / "secrets.sh", script)
    made = subprocess.run([script], capture_output=True, text=True, check=True)
    again = subprocess.run([script], capture_output=True, text=True, check=True)
    assert "made hearback_secret" in made.stdout and again.stdout == "", "what is there stays"
    files = {name: tmp_path / secret["file"] for name, secret in compose["secrets"].items()}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    for name in ("prepare", *PROCESSES):
        mounted = tmp_path / name
        mounted.mkdir()
        for secret in compose["services"][name]["secrets"]:
            source, target = (secret["source"], secret["target"]) if isinstance(secret, dict) else (secret, secret)
            shutil.copy(files[source], mounted / target)
        if name == "prepare":
            roles = RoleSettings(_secrets_dir=mounted)
            assert all(roles.url_of(service_of(process)) for process in PROCESSES)
        else:
            settings = SETTINGS_OF_PROCESS[name](_secrets_dir=mounted)
            url = driver_url(settings.database_url.get_secret_value())
            assert f"//hearback_{service_of(name)}:" in url and "@postgresql:5432/hearback" in url
            assert len(settings.secret.get_secret_value()) == 64
            assert settings.api_keys.get_secret_value().endswith(":*")


def test_the_file_is_as_the_specification_has_it(compose: dict[str, Any]) -> None:
    if shutil.which("go") is None:
        pytest.skip("the specification's schema comes as a Go module, and there is no go")
    got = subprocess.run(["go", "mod", "download", "-json", SCHEMA], capture_output=True, text=True, check=False)
    if got.returncode:
        pytest.skip("the specification's schema cannot be downloaded")
    schema = json.loads((Path(json.loads(got.stdout)["Dir"]) / "schema" / "compose-spec.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)] == []
    wrong = {**compose, "services": {"kafka": {"image": "kafka", "comand": []}}}
    assert list(validator.iter_errors(wrong))
