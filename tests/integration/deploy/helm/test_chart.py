"""What the chart renders keeps to rules of ours: nothing privileged, everything limited, nothing named that is missing,
and no setting, command or port that the code does not have."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from shared.contracts.topics import CONSUMED_BY
from shared.processes import PROCESSES
from shared.setting_names import NAMES
from tests.kit.helm import CHART, helm, template
from tools.hearback.__main__ import app

VALUES = sorted((CHART / "values").glob("*.yaml"))
WORKLOADS = ("Deployment", "Job", "Pod")
EXISTING = re.compile(r"hearback|hearback-[a-z]+-(database|kafka)|kafka-ca|[a-z]+-tls")
"""The secrets that an operator makes."""


@pytest.fixture(scope="module", params=VALUES, ids=[each.stem for each in VALUES])
def rendered(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return template("--values", str(request.param))


def pods(rendered: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The specification of each pod, with the name of what makes it."""
    for each in rendered:
        if each["kind"] in WORKLOADS:
            yield each["metadata"]["name"], each["spec"] if each["kind"] == "Pod" else each["spec"]["template"]["spec"]


def of_kind(rendered: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in rendered if each["kind"] == kind]


@pytest.mark.parametrize("values", VALUES, ids=[each.stem for each in VALUES])
def test_helm_finds_nothing_wrong(values: Path) -> None:
    linted = subprocess.run(
        [helm(), "lint", "--strict", str(CHART), "--values", str(values)], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_there_is_a_deployment_for_each_process(rendered: list[dict[str, Any]]) -> None:
    run = {each["metadata"]["name"]: containers(each)[0]["args"] for each in of_kind(rendered, "Deployment")}
    assert run == {f"shop-hearback-{name}": ["run", name] for name in PROCESSES}


def containers(workload: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workload["spec"]["template"]["spec"]["containers"]
    return found


def test_commands_are_ours(rendered: list[dict[str, Any]]) -> None:
    for _, pod in pods(rendered):
        for container in pod["containers"]:
            command: Any = typer.main.get_command(app)
            for word in () if "command" in container else container["args"]:
                if not hasattr(command, "commands"):
                    assert word in PROCESSES
                    break
                command = command.commands[word]


def test_nothing_is_privileged_and_everything_is_limited(rendered: list[dict[str, Any]]) -> None:
    for name, pod in pods(rendered):
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"], name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
        for volume in pod.get("volumes", ()):
            assert "hostPath" not in volume, name


def test_whatever_is_mounted_or_named_is_there(rendered: list[dict[str, Any]]) -> None:
    made = {(each["kind"], each["metadata"]["name"]) for each in rendered}
    for name, pod in pods(rendered):
        volumes = {volume["name"] for volume in pod.get("volumes", ())}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes, name
        for secret in re.findall(r"'secret(?:Name)?': (?:\{'name': )?'([^']+)'", str(pod.get("volumes", ""))):
            assert EXISTING.fullmatch(secret), secret
    for ingress in of_kind(rendered, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert ("Service", path["backend"]["service"]["name"]) in made
    for scaled in [*of_kind(rendered, "ScaledObject"), *of_kind(rendered, "HorizontalPodAutoscaler")]:
        assert ("Deployment", scaled["spec"]["scaleTargetRef"]["name"]) in made


def test_selectors_find_their_pods(rendered: list[dict[str, Any]]) -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(rendered, "Deployment")]
    for kind, path in (
        ("Service", ("selector",)),
        ("PodDisruptionBudget", ("selector", "matchLabels")),
        ("NetworkPolicy", ("podSelector", "matchLabels")),
    ):
        for each in of_kind(rendered, kind):
            wanted = each["spec"]
            for step in path:
                wanted = wanted[step]
            assert len([pod for pod in labels if wanted.items() <= pod.items()]) == 1, each["metadata"]["name"]


def test_settings_are_those_that_something_reads(rendered: list[dict[str, Any]]) -> None:
    for name, pod in pods(rendered):
        for container in pod["containers"]:
            for variable in container.get("env", ()):
                assert variable["name"] in NAMES, name
                assert isinstance(variable["value"], str), name
                assert "PASSWORD" not in variable["name"] and "SECRET" not in variable["name"], name


def test_only_the_customers_side_is_public(rendered: list[dict[str, Any]]) -> None:
    for ingress in of_kind(rendered, "Ingress"):
        public = ingress["metadata"]["name"] == "shop-hearback"
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]["name"]
                if public:
                    assert service == "shop-hearback-collector"
                    assert path["path"] in ("/s", "/unsubscribe", "/v1/answers", "/static", "/robots.txt")
                else:
                    assert service in ("shop-hearback-scorer", "shop-hearback-alerter")


def test_a_pod_has_the_time_that_its_process_takes_to_stop() -> None:
    for seconds in (5, 120):
        made = template("--values", str(VALUES[0]), "--set", f"drainSeconds={seconds}")
        for each in of_kind(made, "Deployment"):
            pod = each["spec"]["template"]["spec"]
            assert pod["terminationGracePeriodSeconds"] >= 2 * seconds + 5
            environment = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
            assert environment["HEARBACK_DRAIN_SECONDS"] == str(seconds)


def test_what_scales_by_lag_has_no_more_pods_than_partitions() -> None:
    made = template("--values", str(CHART / "values" / "busy.yaml"))
    scaled = {
        each["metadata"]["name"].removeprefix("shop-hearback-"): each["spec"] for each in of_kind(made, "ScaledObject")
    }
    assert scaled.keys() == {*PROCESSES} - {"collector"}
    for name, specification in scaled.items():
        assert specification["maxReplicaCount"] <= max(topic.partitions for topic in CONSUMED_BY[name])
        [trigger] = specification["triggers"]
        assert trigger["metadata"]["consumerGroup"] == f"hearback.{name}"
    assert [each["metadata"]["name"] for each in of_kind(made, "HorizontalPodAutoscaler")] == [
        "shop-hearback-collector"
    ]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("kafka.securityProtocol=TLS", "securityProtocol"),
        ("processes.scoror.replicas=2", "scoror"),
        ("processes.scorer.replica=2", "replica"),
        ("settings.TIMEZONE=UTC", "TIMEZONE"),
        ("kafka.bootstrapServers=", "bootstrapServers"),
        ("image.digest=sha256:1", "digest"),
    ],
)
def test_a_value_that_is_none_is_refused(wrong: str, told: str) -> None:
    with pytest.raises(RuntimeError, match=told):
        template("--values", str(VALUES[0]), "--set", wrong)
