"""How far a replay has come, so that one that was killed goes on where it stopped."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.replay.files import FILES


@dataclass(frozen=True, slots=True)
class Progress:
    """``data`` tells one data set from another; ``step_hours`` one division of time; ``done`` the last whole step."""

    data: str
    step_hours: float
    done: int = -1
    finished: bool = False


class Journal:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Progress | None:
        """None when there is none, or it cannot be read."""
        try:
            return Progress(**json.loads(self._path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, progress: Progress) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(progress)))
        draft.replace(self._path)


def fingerprint(folder: Path) -> str:
    """The data set's identity. Raises OSError when a file is missing."""
    digest = hashlib.sha256()
    for name in sorted(FILES.values()):
        digest.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()[:16]
