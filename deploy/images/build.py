"""Builds the image of the product with whatever builds images here, also where no registry of images can be reached."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.programs import PROJECT

BASE = "docker.io/library/python:3.11-slim"
"""What the Dockerfile builds on; a release pins it by its digest."""
DOCKERFILE = PROJECT / "deploy" / "images" / "Dockerfile"
DEBIAN = "bookworm"
_IN_BASE = ("python3", "python3-venv", "ca-certificates")
# Buildah needs no daemon and, like this, no right to make namespaces, as within a container.
_BUILDAH = ("buildah", "bud", "--isolation", "chroot", "--network", "host", "--format", "docker")
_COMMANDS: Mapping[str, Sequence[str]] = {
    "docker": ("docker", "buildx", "build", "--load"),
    "buildah": _BUILDAH,
    "podman": ("podman", "build", "--format", "docker"),
}
# What succeeds where such a build would be possible: Docker needs a daemon and BuildKit.
_USABLE: Mapping[str, Sequence[str]] = {
    "docker": ("docker", "buildx", "inspect"),
    "buildah": ("buildah", "--version"),
    "podman": ("podman", "--version"),
}


class CannotBuild(RuntimeError):
    """The message says what is missing, or what failed."""


def build(tag: str, *, base: str = BASE, pull: bool = True) -> None:
    """Builds the image and names it ``tag``; ``base`` is that of a Python 3.11 or newer. Raises CannotBuild.

    Packages come from where pip on this machine has them from: its configuration, and certificates it trusts, are
    handed to the build, and are not in the image.
    """
    name = next(filter(_is_usable, _COMMANDS), None)
    if name is None:
        raise CannotBuild("nothing here builds images: install Buildah or Podman, or Docker with BuildKit")
    arguments = ["--file", str(DOCKERFILE), "--tag", tag, "--build-arg", f"BASE={base}"]
    arguments += ["--build-arg", f"REVISION={_revision()}"]
    if not pull and name != "docker":
        arguments.append("--pull=never")
    for secret, file in _secrets().items():
        arguments += ["--secret", f"id={secret},src={file}"]
    _run([*_COMMANDS[name], *arguments, str(PROJECT)])


def debian_base(tag: str = BASE) -> None:
    """Makes a base with Debian's Python from Debian's packages, and names it ``tag``, for Podman and Buildah.

    Needs root, and debootstrap. Raises CannotBuild.
    """
    for program in ("debootstrap", "podman"):
        if shutil.which(program) is None:
            raise CannotBuild(f"{program} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        _run(["debootstrap", "--variant=minbase", f"--include={','.join(_IN_BASE)}", DEBIAN, str(root)])
        for unneeded in ("var/lib/apt/lists", "var/cache/apt", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(root / unneeded, ignore_errors=True)
        archive = Path(folder) / "base.tar"
        _run(["tar", "--directory", str(root), "--create", "--file", str(archive), "."])
        _run(["podman", "import", str(archive), tag])


def _is_usable(name: str) -> bool:
    return (
        shutil.which(name) is not None
        and not subprocess.run(_USABLE[name], capture_output=True, check=False).returncode
    )


def _secrets() -> dict[str, Path]:
    """What a build needs to reach the packages, by the name that the Dockerfile has for it."""
    candidates = {
        "pip.conf": os.environ.get("PIP_CONFIG_FILE", "/etc/pip.conf"),
        "ca.crt": os.environ.get("PIP_CERT", ""),
    }
    return {name: Path(file) for name, file in candidates.items() if file and Path(file).is_file()}


def _revision() -> str:
    told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise CannotBuild(f"`{' '.join(command[:2])}` failed with exit code {done.returncode}:\n{last}")
