"""Records a replay's progress, so that a killed replay can resume where it stopped."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.replay.files import FILES


@dataclass(frozen=True, slots=True)
class Progress:
    """A replay resumes only with the same ``data`` (a fingerprint) and ``step_hours``."""

    data: str
    step_hours: float
    completed_step: int = -1
    finished: bool = False


class Journal:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Progress | None:
        """None when there is no journal, or it is damaged."""
        try:
            return Progress(**json.loads(self._path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, progress: Progress) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(progress)))
        draft.replace(self._path)


def fingerprint(folder: Path) -> str:
    """A hash of the data set. Raises OSError when a file is missing."""
    digest = hashlib.sha256()
    for name in sorted(FILES.values()):
        digest.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()[:16]
