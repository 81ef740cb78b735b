"""``python -m services.alerter``"""

from services.alerter.service import build
from services.alerter.settings import AlerterSettings
from shared.process import run

if __name__ == "__main__":
    run("alerter", AlerterSettings, build)
