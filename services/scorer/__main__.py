"""``python -m services.scorer``"""

from services.scorer.settings import ScorerSettings
from services.scorer.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("scorer", ScorerSettings, build)
