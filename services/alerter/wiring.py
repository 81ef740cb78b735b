"""The alerter's wiring: its handlers, its API and inbox, its housekeeping."""

from datetime import timedelta
from pathlib import Path

from services.alerter.actions.cases import Staff
from services.alerter.actions.routing import Rules
from services.alerter.api import cases as api
from services.alerter.handlers.answers import Handlers
from services.alerter.repository import customers
from services.alerter.settings import AlerterSettings
from services.alerter.web import inbox
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app
from shared.web.pages import mount_static, templates

_FOLDER = Path(__file__).parent
_PRUNE_SECONDS = 60
_PRUNED_AT_ONCE = 5_000


def build(runtime: Runtime[AlerterSettings]) -> Service:
    rules = Rules(runtime)
    staff = Staff(runtime, rules)
    app = create_app(runtime, "Hearback alerter")
    mount_static(app, _FOLDER)
    api.add_routes(app, runtime, staff, rules)
    inbox.add_routes(app, runtime, staff, templates(_FOLDER))

    async def prune() -> bool:
        before = runtime.clock.now() - timedelta(days=runtime.settings.customer_history_days)
        async with runtime.transaction() as connection:
            return await customers.prune(connection, before, _PRUNED_AT_ONCE) >= _PRUNED_AT_ONCE

    return Service(
        handlers=Handlers(runtime, rules).by_topic(),
        loops=(Periodic("customer history", _PRUNE_SECONDS, prune),),
        app=app,
        start=rules.start,
    )
