"""The product's image, built once per session, and what a container runtime makes of it, without one.

Containers need rights that the place where tests run may not give. What matters of them is made by hand: the image's
files as the root, read-only, one writable folder, the image's user and environment.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.images.build import BASE, build, debian_base

_NEEDED = ("buildah", "podman", "debootstrap", "unshare", "chroot")
_TAG = "hearback:tested"


@dataclass(frozen=True, slots=True)
class MountedImage:
    """``root`` has the image's files; ``configuration`` is that of its processes, in Docker's words."""

    root: Path
    configuration: dict[str, Any]
    bytes: int

    def command(self, *arguments: str) -> Sequence[str]:
        """Runs the image's entry point with these arguments; it gets the environment of whoever runs it, too."""
        return self.program(*self.configuration["Entrypoint"], *arguments)

    def program(self, *command: str) -> Sequence[str]:
        """Runs a program of the image."""
        # What the caller sets goes before what the image says, except for what makes the image's own programs found.
        given = [each for each in self.configuration["Env"] if not each.startswith("HEARBACK_")]
        root, inside = shlex.quote(str(self.root)), shlex.join(["env", *given, *command])
        user = shlex.quote(self.configuration["User"])
        script = (
            f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && mount -t tmpfs tmpfs {root}/tmp && "
            f"mount --bind /proc {root}/proc && mount --bind /dev {root}/dev && "
            f"exec chroot --userspec={user} {root} {inside}"
        )
        return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)


@contextmanager
def mounted_image() -> Iterator[MountedImage]:
    """Builds the image, on a base of Debian's packages if there is none, and mounts it. Skips where it cannot be."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount an image")
    if missing := [name for name in _NEEDED if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode:
        debian_base()
    build(_TAG, pull=False)
    container = _output("buildah", "from", "--pull-never", _TAG)
    try:
        inspected = json.loads(_output("podman", "image", "inspect", _TAG))[0]
        yield MountedImage(Path(_output("buildah", "mount", container)), inspected["Config"], inspected["Size"])
    finally:
        _output("buildah", "rm", container)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
