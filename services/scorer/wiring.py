"""Builds the scorer from its parts."""

from pathlib import Path

from services.scorer.actions.names import Names
from services.scorer.api import nps, sample_size, segments, stream
from services.scorer.domain.stream import ScoreUpdate
from services.scorer.handlers import surveys
from services.scorer.loops.retention import RetentionLoop
from services.scorer.loops.scores import ScoreLoop
from services.scorer.loops.stream import StreamLoop
from services.scorer.settings import ScorerSettings
from services.scorer.web import dashboard, downloads
from shared.contracts import topics
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web import sessions
from shared.web.app import create_app
from shared.web.pages import templates
from shared.web.stream import Stream

_FOLDER = Path(__file__).parent
_STREAM_SECONDS = 0.25
_RETENTION_SECONDS = 60.0


def build(runtime: Runtime[ScorerSettings]) -> Service:
    names = Names(runtime.engine)
    live = Stream[ScoreUpdate](runtime.settings.stream_clients)
    app = create_app(runtime, "Hearback scorer", folder=_FOLDER, staff_pages=True)
    app.include_router(nps.routes(runtime))
    app.include_router(segments.routes(runtime))
    app.include_router(sample_size.routes(runtime))
    app.include_router(stream.routes(runtime, live))
    pages = templates(_FOLDER)
    app.include_router(dashboard.routes(runtime, pages))
    app.include_router(downloads.routes(runtime))
    return Service(
        handlers={
            topics.SESSIONS.name: sessions.handler(),
            **dict.fromkeys(
                (topics.SENDS.name, topics.DELIVERIES.name, topics.ANSWERS.name), surveys.handler(runtime, names)
            ),
        },
        loops=(
            Periodic("score publisher", runtime.settings.publish_seconds, ScoreLoop(runtime).step),
            Periodic("live stream", _STREAM_SECONDS, StreamLoop(runtime, live).step),
            Periodic("scorer retention", _RETENTION_SECONDS, RetentionLoop(runtime).step),
        ),
        readers=surveys.READERS,
        app=app,
        close=live.close,
    )
