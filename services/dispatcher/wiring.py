"""Builds the dispatcher from its parts."""

from services.dispatcher.actions.campaigns import apply_files
from services.dispatcher.api import campaigns, decisions
from services.dispatcher.handlers import answers, orders, preferences, requests
from services.dispatcher.loops.timers import TimerLoop
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import topics
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app


def build(runtime: Runtime[DispatcherSettings]) -> Service:
    app = create_app(runtime, "Hearback dispatcher")
    app.include_router(campaigns.routes(runtime))
    app.include_router(decisions.routes(runtime))

    async def start() -> None:
        await apply_files(runtime, runtime.settings.campaigns)

    return Service(
        handlers={
            topics.ORDERS.name: orders.handler(runtime),
            topics.PREFERENCES.name: preferences.handler(runtime),
            topics.REQUESTS.name: requests.handler(runtime),
            topics.ANSWERS.name: answers.handler(runtime),
        },
        loops=(Periodic("timers", runtime.settings.timer_seconds, TimerLoop(runtime).step),),
        app=app,
        start=start,
    )
