"""``python -m services.collector``"""

from services.collector.settings import CollectorSettings
from services.collector.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("collector", CollectorSettings, build)
