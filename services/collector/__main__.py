"""``python -m services.collector``"""

from services.collector.service import build
from services.collector.settings import CollectorSettings
from shared.runtime import run

if __name__ == "__main__":
    run("collector", CollectorSettings, build)
