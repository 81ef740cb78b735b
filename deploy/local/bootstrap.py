"""Creates `.venv` from `requirements.lock`. Run by make with the machine's Python.

Uses only the standard library and syntax that Python 3.7 can parse, so that an old Python can report that it is too
old.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = (3, 11)
THIS = Path(__file__).resolve()
ROOT = THIS.parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".installed"
NO_NETWORK = ("Max retries exceeded", "Temporary failure", "NewConnectionError", "from versions: none")


def main() -> None:
    if sys.version_info < NEEDED:
        run_with_a_newer_python()
    require_venv_module()
    make_environment()
    install()
    STAMP.write_text("requirements.lock is installed\n")


def run_with_a_newer_python() -> None:
    for minor in range(20, NEEDED[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        # A version manager's shim may exist for a Python that is not installed.
        if newer and subprocess.call([newer, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            os.execv(newer, [newer, "-I", str(THIS)])  # noqa: S606  # no shell is wanted
    sys.exit(
        f"Hearback needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}: install a newer "
        "one and select it, for example `make PYTHON=/usr/local/bin/python3.12 demo`."
    )


def require_venv_module() -> None:
    try:
        import ensurepip  # noqa: F401  # only whether it is there
        import venv  # noqa: F401  # likewise
    except ImportError:
        sys.exit(
            f"This Python ({sys.executable}) has no venv module: on Debian and Ubuntu install it with "
            "`apt-get install python3-venv`, then try again."
        )


def make_environment() -> None:
    if PYTHON.exists() and subprocess.call([str(PYTHON), "-m", "pip", "--version"], stdout=subprocess.DEVNULL) == 0:
        return
    print(f"Creating .venv with Python {sys.version.split()[0]}.", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    created = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if created.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(f"The environment .venv could not be created: {last_line(created.stdout)}")


def install() -> None:
    """Installs exactly the locked packages; pip rejects any file whose hash is not in the lock."""
    total = count_pins()
    print(f"Installing {total} packages; the first time this downloads about 250 MB.", flush=True)
    pip = subprocess.Popen(
        [
            str(PYTHON), "-m", "pip", "install", "--require-hashes", "--no-deps", "--progress-bar", "off",
            "--disable-pip-version-check", "--no-input", "--retries", "2", "--requirement", str(LOCK),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert pip.stdout is not None
    seen = 0
    output = []
    for line in pip.stdout:
        output.append(line)
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            seen += 1
            name = line.split(": ")[-1].replace("Collecting ", "").split("==")[0]
            show(f"{min(seen, total)} of {total}  {name}")
        elif line.startswith("Installing collected"):
            show("unpacking")
    show("")
    if pip.wait() != 0:
        explain("".join(output))


def explain(output: str) -> None:
    if any(sign in output for sign in NO_NETWORK):
        sys.exit(
            "The packages could not be downloaded: connect to the network, or configure a package mirror for pip, "
            "then try again; completed downloads are kept."
        )
    if "DO NOT MATCH THE HASHES" in output:
        sys.exit(
            "A downloaded package is not the file that requirements.lock pins, so nothing was installed: "
            "check your package mirror, then try again."
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    sys.exit(f"The packages could not be installed: {errors[0] if errors else last_line(output)}")


def count_pins() -> int:
    return sum(1 for line in LOCK.read_text().splitlines() if line[:1].isalnum() and "==" in line)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def show(text: str) -> None:
    """One line that overwrites itself; nothing if the output is not a terminal."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; run the same command to resume.")
