"""Where an installation is: the variables of the shell, or of the stack that `make up` started."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

ENV_FILE = Path(__file__).parents[1] / ".hearback" / "env"


def installation_environment() -> Mapping[str, str]:
    """The variables exported by `.hearback/env`, if a stack is up; those of the shell go before them."""
    return {**_env_file(), **os.environ}


def _env_file() -> dict[str, str]:
    if not ENV_FILE.exists():
        return {}
    exports = (line.removeprefix("export ").partition("=") for line in ENV_FILE.read_text().splitlines())
    return {name: shlex.split(value)[0] for name, _, value in exports if value}
