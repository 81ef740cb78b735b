"""Builds the collector from its parts."""

from pathlib import Path

from starlette.middleware import Middleware

from services.collector.actions.answer_writer import AnswerWriter
from services.collector.api import answers, customers
from services.collector.handlers import campaigns, deliveries, sends, shared_ids
from services.collector.loops.retention import RetentionLoop
from services.collector.settings import CollectorSettings
from services.collector.web import survey, unsubscribe
from services.collector.web.damaged_links import AnyCase
from services.collector.web.rendering import Rendering
from shared.contracts import topics
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app
from shared.web.plain import PlainPath, PlainPaths

_FOLDER = Path(__file__).parent


def build(runtime: Runtime[CollectorSettings]) -> Service:
    settings = runtime.settings
    app = create_app(runtime, "Hearback collector", folder=_FOLDER, base_path=settings.collector_base_path)
    app.add_middleware(AnyCase, base_path=settings.collector_base_path)
    rendering = Rendering(runtime)
    writer = AnswerWriter(runtime)
    app.include_router(answers.routes(runtime, writer))
    app.include_router(customers.routes(runtime))
    app.include_router(survey.routes(runtime, rendering, writer))
    app.include_router(unsubscribe.routes(runtime, rendering))
    plain: list[PlainPath] = [
        answers.PlainAnswers(runtime, writer, app.state.authenticator),
        survey.PlainForms(runtime, writer),
    ]
    # Innermost: what limits, observes and repairs requests is in front of it.
    app.user_middleware.append(Middleware(PlainPaths, paths=plain))
    return Service(
        handlers={
            topics.CAMPAIGNS.name: campaigns.handler(runtime),
            topics.DELIVERIES.name: deliveries.handler(runtime),
            topics.SENDS.name: sends.handler(runtime),
            topics.SHARED_IDS.name: shared_ids.handler(runtime),
        },
        loops=[Periodic("retention", settings.prune_seconds, RetentionLoop(runtime).step)],
        app=app,
        needs_kafka=False,
    )
