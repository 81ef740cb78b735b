"""``python -m services.collector``"""

from services.collector.service import build
from services.collector.settings import CollectorSettings
from shared.process import run

if __name__ == "__main__":
    run("collector", CollectorSettings, build)
