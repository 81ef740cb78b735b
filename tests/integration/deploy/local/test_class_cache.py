"""Kafka's classes are kept for exactly the Java and the jars they were loaded from."""

import asyncio
import fcntl
import os
from pathlib import Path

import pytest

from deploy.local import class_cache as module
from deploy.local import training
from deploy.local.class_cache import class_cache
from deploy.local.kafka import KafkaNode
from deploy.local.training import make_class_cache


@pytest.fixture
def jars(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "org" / name / "1.0" / f"{name}.jar" for name in ("kafka", "log4j")]
    for jar in found:
        jar.parent.mkdir(parents=True)
        jar.write_bytes(b"classes")
    return found


def test_it_is_beside_the_jars(jars: list[Path], tmp_path: Path) -> None:
    assert class_cache(jars).parent == tmp_path / "org"


def test_it_is_another_one_for_other_jars_and_another_java(jars: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = class_cache(jars)
    assert class_cache(jars[:1]).name != before.name
    os.utime(jars[0], (1, 1))
    changed = class_cache(jars)
    assert changed != before
    monkeypatch.setattr(module, "_RELEASE", jars[0])
    assert class_cache(jars) not in (before, changed)


def test_java_is_told_of_it_once_it_is_there(jars: list[Path], tmp_path: Path) -> None:
    node = KafkaNode(folder=tmp_path / "kafka", port=9, controller_port=10)
    option = f"-XX:AOTCache={class_cache(jars)}"
    assert option not in node.java(jars)
    class_cache(jars).touch()
    assert option in node.java(jars)
    assert option not in node.java(jars, "-XX:AOTMode=record"), "while another one is made"


def test_it_is_made_once_and_by_one_process(jars: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def touch(folder: Path, cache: Path) -> None:
        assert not folder.exists(), "what another process left behind is gone"
        folder.mkdir()
        cache.touch()
        made.append(cache)

    async def make(_jars: object, folder: Path, cache: Path) -> None:
        touch(folder, cache)

    monkeypatch.setattr(training, "_make", make)
    cache = class_cache(jars)
    (cache.parent / "kafka-aot.new").mkdir()
    with (cache.parent / "kafka-aot.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        asyncio.run(make_class_cache(jars))
        assert made == [], "another process makes it"
    asyncio.run(make_class_cache(jars))
    asyncio.run(make_class_cache(jars))
    assert made == [cache]
    assert not (cache.parent / "kafka-aot.new").exists()
