"""``python -m services.scorer``"""

from services.scorer.service import build
from services.scorer.settings import ScorerSettings
from shared.process import run

if __name__ == "__main__":
    run("scorer", ScorerSettings, build)
