"""``python -m services.dispatcher``, and ``python -m services.dispatcher courier`` for its second process."""

import sys

from services.dispatcher import wiring as service
from services.dispatcher.courier import wiring as courier
from services.dispatcher.courier.settings import CourierSettings
from services.dispatcher.settings import DispatcherSettings
from shared.process import run

if __name__ == "__main__":
    if sys.argv[1:] == ["courier"]:
        run("courier", CourierSettings, courier.build, schema="dispatcher")
    elif sys.argv[1:]:
        sys.exit(f"unknown argument {sys.argv[1]!r}; the only one accepted is: courier")
    else:
        run("dispatcher", DispatcherSettings, service.build)
