"""Two minutes of the soak: every kind of fault at least once, in another order than any other test would think of.

`make faults` runs it for longer, and with another seed each time.
"""

from pathlib import Path

import pytest

from deploy.local.install_folder import remove_data
from tests.faults.soak.__main__ import tell
from tests.faults.soak.run import Soak

SECONDS = 120
SEED = 11


async def test_nothing_is_lost_nothing_twice_nothing_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    try:
        verdict = await Soak(tmp_path / "soak", SEED, SECONDS, said.append).run()
    except BaseException:
        print("\n".join(said))
        raise
    finally:
        remove_data(tmp_path / "soak" / "postgresql")
    tell(verdict)
    assert verdict.clean, capsys.readouterr().out + "\n".join(said)
    assert verdict.counts["answered"] > 0
