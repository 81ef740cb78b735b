"""Tests do not depend on the settings of the shell that runs them."""

import os
from pathlib import Path

import pytest

from deploy.local.external import DATABASE_VARIABLE, KAFKA_VARIABLE
from tests.kit.environment import forget_settings

OURS = {KAFKA_VARIABLE: "127.0.0.1:8092", DATABASE_VARIABLE: "postgresql://hearback:x@127.0.0.1:8032/hearback"}
THEIRS = {KAFKA_VARIABLE: "kafka.example:9092", DATABASE_VARIABLE: "postgresql://shop:x@db.example/shop"}
CACHE = {"HEARBACK_CACHE_DIR": "/var/cache/hearback"}


@pytest.mark.parametrize(("backends", "left"), [(OURS, {}), (THEIRS, THEIRS)])
def test_of_a_sourced_env_file_only_backends_other_than_the_local_stacks_are_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backends: dict[str, str], left: dict[str, str]
) -> None:
    sourced = {"HEARBACK_STATE": str(tmp_path), "HEARBACK_API_KEY": "hb_x", "HEARBACK_TIMEZONE": "America/Sao_Paulo"}
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", **sourced, **CACHE, **backends})
    forget_settings()
    assert os.environ == {"PATH": "/bin", **CACHE, **left}
