"""Builds the dispatcher from its parts."""

from services.dispatcher.actions.campaigns import apply_files
from services.dispatcher.api import campaigns, decisions
from services.dispatcher.handlers import batch, orders, preferences, requests
from services.dispatcher.loops.erasures import ErasureLoop
from services.dispatcher.loops.retention import RetentionLoop
from services.dispatcher.loops.timers import TimerLoop
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import topics
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app

# Real seconds between looks for an erasure that is not finished, if it did not begin here just now.
_ERASURE_SECONDS = 10.0
# Real seconds between walks through all customers.
_RETENTION_SECONDS = 60.0


def build(runtime: Runtime[DispatcherSettings]) -> Service:
    definitions = runtime.settings.campaigns
    app = create_app(runtime, "Hearback dispatcher")
    app.include_router(campaigns.routes(runtime))
    app.include_router(decisions.routes(runtime))

    async def start() -> None:
        await apply_files(runtime, definitions)

    handlers = {
        topics.ORDERS.name: orders.handler(runtime),
        topics.PREFERENCES.name: preferences.handler(runtime),
        topics.REQUESTS.name: requests.handler(runtime),
    }
    timers = TimerLoop(runtime)
    return Service(
        handlers=dict.fromkeys(handlers, batch.handler(runtime, handlers)),
        loops=(
            Periodic(
                "timers",
                runtime.settings.timer_seconds,
                timers.step,
                quiet=timers.quiet,
                handled=runtime.handled,
            ),
            Periodic(
                "erasures", 1.0, ErasureLoop(runtime).step, quiet=lambda: _ERASURE_SECONDS, handled=runtime.handled
            ),
            Periodic("retention", _RETENTION_SECONDS, RetentionLoop(runtime).step),
        ),
        app=app,
        start=start,
    )
