"""``python -m services.alerter``"""

from services.alerter.settings import AlerterSettings
from services.alerter.wiring import build
from shared.process import run

if __name__ == "__main__":
    run("alerter", AlerterSettings, build)
