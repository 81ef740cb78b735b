"""What the collector consists of, wired together."""

from datetime import timedelta
from pathlib import Path

from services.collector.actions.preferences import prune_early_wishes
from services.collector.api import answers as api
from services.collector.api.bodies import LARGEST_BODY
from services.collector.handlers.sends import Handlers
from services.collector.repository import sends as repository
from services.collector.settings import CollectorSettings
from services.collector.web import broken_links as lost_links
from services.collector.web import survey as survey_pages
from services.collector.web import unsubscribe as unsubscribe_pages
from services.collector.web.rendering import Showing
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app
from shared.web.limits import BodyLimit
from shared.web.pages import mount_static


def build(runtime: Runtime[CollectorSettings]) -> Service:
    settings = runtime.settings
    app = create_app(runtime, "Hearback collector")
    app.add_middleware(BodyLimit, max_bytes=LARGEST_BODY)
    mount_static(app, Path(__file__).parent)
    showing = Showing(runtime)
    app.include_router(api.routes(runtime))
    app.include_router(survey_pages.routes(runtime, showing))
    app.include_router(unsubscribe_pages.routes(runtime, showing))
    app.include_router(lost_links.routes(showing))

    async def prune() -> bool:
        more_sends = await prune_sends(runtime)
        return await prune_early_wishes(runtime) or more_sends

    return Service(
        handlers=Handlers(settings.secret.get_secret_value(), runtime.outbox).by_topic,
        loops=[Periodic("prune", settings.prune_seconds, prune)],
        app=app,
    )


async def prune_sends(runtime: Runtime[CollectorSettings]) -> bool:
    """Removes one batch of surveys that are long closed; True when there may be more."""
    settings = runtime.settings
    before = runtime.clock.now() - timedelta(days=settings.send_retention_days)
    async with runtime.engine.begin() as connection:
        removed = await repository.prune_sends(connection, before, settings.prune_batch_size)
    return removed == settings.prune_batch_size
