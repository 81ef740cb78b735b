"""Helm, from a folder that is searched for programs, or built once from its Go module."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.programs import PROJECT

CHART = PROJECT / "deploy" / "helm" / "hearback"
VERSION = "v3.22.0"
_MODULE = f"helm.sh/helm/v3/cmd/helm@{VERSION}"
_BUILD_SECONDS = 900


def helm() -> str:
    """The program's path. Skips where it is neither installed nor can be built, which takes minutes the first time."""
    if found := shutil.which("helm"):
        return found
    folder = Path(os.environ.get("HEARBACK_CACHE_DIR") or Path.home() / ".cache" / "hearback") / "tools"
    built = folder / f"helm-{VERSION}"
    if built.exists():
        return str(built)
    if os.environ.get("HEARBACK_TEST_BUILD_HELM") != "1":
        pytest.skip("helm is not installed; HEARBACK_TEST_BUILD_HELM=1 builds it from its Go module, in minutes")
    if shutil.which("go") is None:
        pytest.skip("helm is not installed, and there is no go to build it with")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["go", "install", "-trimpath", _MODULE],
        env={**os.environ, "GOBIN": str(folder)},
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"helm cannot be built: {done.stderr.strip()[-300:]}")
    (folder / "helm").rename(built)
    return str(built)


def template(*arguments: str) -> list[dict[str, Any]]:
    """What the chart makes of these values, hooks and tests included. Raises RuntimeError with what helm said."""
    done = subprocess.run(
        [helm(), "template", "shop", str(CHART), "--namespace", "hearback", "--kube-version", "1.31.0", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [each for each in yaml.safe_load_all(done.stdout) if each]
