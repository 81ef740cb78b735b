"""What the dispatcher consists of."""

import sys

from services.dispatcher.actions import campaigns as catalogue
from services.dispatcher.api.campaigns import create_router
from services.dispatcher.domain.campaigns import InvalidCampaign
from services.dispatcher.handlers.orders import Handlers
from services.dispatcher.loops.timers import TimerLoop
from services.dispatcher.settings import DispatcherSettings
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app


def build(runtime: Runtime[DispatcherSettings]) -> Service:
    """Exits with status 2 and a sentence for each bad field when a campaign file breaks a rule."""
    settings = runtime.settings
    try:
        campaigns = catalogue.read_folder(settings.campaigns_dir)
    except InvalidCampaign as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    app = create_app(runtime, "Hearback dispatcher")
    app.include_router(create_router(runtime))

    async def start() -> None:
        await catalogue.take_in_files(runtime, campaigns)

    return Service(
        handlers=Handlers(settings, runtime.clock).by_topic(),
        loops=(Periodic("timers", settings.timer_seconds, TimerLoop(runtime).run_once),),
        app=app,
        start=start,
    )
