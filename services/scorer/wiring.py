"""What the scorer consists of."""

from pathlib import Path

from services.scorer.api.nps import create_router
from services.scorer.handlers.answers import Handlers
from services.scorer.loops.publisher import Publisher
from services.scorer.loops.stream import Stream
from services.scorer.queries.scores import Figures
from services.scorer.settings import ScorerSettings
from services.scorer.web.dashboard import add_dashboard
from shared.contracts.topics import ANSWERS, DELIVERIES, SENDS
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app
from shared.web.pages import mount_static

_STREAM_SECONDS = 0.25
_TIDY_SECONDS = 60.0


def build(runtime: Runtime[ScorerSettings]) -> Service:
    settings = runtime.settings
    handlers = Handlers(runtime.engine, settings.zone, settings.comments_kept)
    publisher = Publisher(runtime)
    stream = Stream(runtime)
    figures = Figures(runtime)
    app = create_app(runtime, "Hearback scorer")
    app.include_router(create_router(runtime, figures, stream))
    add_dashboard(app, runtime, figures)
    mount_static(app, Path(__file__).parent)
    return Service(
        handlers={
            SENDS.name: handlers.sends,
            DELIVERIES.name: handlers.deliveries,
            ANSWERS.name: handlers.answers,
        },
        loops=(
            Periodic("score publisher", settings.publish_seconds, publisher.paced),
            Periodic("live stream", _STREAM_SECONDS, stream.poll),
            Periodic("scorer tidying", _TIDY_SECONDS, publisher.tidy),
        ),
        app=app,
        close=stream.close,
    )
