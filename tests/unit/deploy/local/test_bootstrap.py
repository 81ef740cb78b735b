"""What is shown if the machine lacks something: one sentence, and a non-zero exit code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import bootstrap

BOOTSTRAP = Path(bootstrap.__file__)


def run_with(preparation: str, path: str) -> "subprocess.CompletedProcess[str]":
    """Runs the bootstrap in a Python that was changed by `preparation` first, and sees only `path`."""
    code = f"import runpy, sys\n{preparation}\nrunpy.run_path({str(BOOTSTRAP)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_old_python_says_what_is_needed(tmp_path: Path) -> None:
    done = run_with("sys.version_info = (3, 9, 2, 'final', 0)", str(tmp_path))
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr and "make PYTHON=" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_python_without_venv_names_the_package_to_install(tmp_path: Path) -> None:
    done = run_with("sys.modules['ensurepip'] = None", str(tmp_path))
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("WARNING: Retrying … Max retries exceeded with url: /simple/rich/\n", "connect to the network"),
        ("ERROR: No matching distribution found for rich (from versions: none)\n", "connect to the network"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n",
            "requirements.lock pins",
        ),
        ("Building\nERROR: no space left on device\n", "no space left on device"),
    ],
)
def test_a_failed_installation_is_explained(output: str, words: str) -> None:
    with pytest.raises(SystemExit, match=words):
        bootstrap.explain(output)


def test_an_old_python_runs_a_newer_one_on_the_path(tmp_path: Path) -> None:
    newer = tmp_path / "python3.11"
    newer.write_text('#!/bin/sh\n[ "$1" = -I ] && echo "runs $2"\nexit 0\n')
    newer.chmod(0o755)
    done = run_with(
        "sys.version_info = (3, 9, 2, 'final', 0)",
        f"{tmp_path}{os.pathsep}{Path(shutil.which('sh') or '/bin/sh').parent}",
    )
    assert done.returncode == 0
    assert done.stdout.strip() == f"runs {BOOTSTRAP}"
