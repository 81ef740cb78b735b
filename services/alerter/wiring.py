"""Builds the alerter from its parts."""

from pathlib import Path

from services.alerter.actions import routing as routing_rules
from services.alerter.api import cases, routing
from services.alerter.handlers import answers, batch, orders, preferences, sends, shared_ids
from services.alerter.loops.retention import RetentionLoop
from services.alerter.settings import AlerterSettings
from services.alerter.web import forms, inbox
from services.alerter.web.inbox_page import InboxPage
from shared.contracts import topics
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web import sessions
from shared.web.app import create_app
from shared.web.pages import templates

_FOLDER = Path(__file__).parent
_RETENTION_SECONDS = 60


def build(runtime: Runtime[AlerterSettings]) -> Service:
    app = create_app(runtime, "Hearback alerter", folder=_FOLDER, staff_pages=True)
    app.include_router(cases.routes(runtime))
    app.include_router(routing.routes(runtime))
    page = InboxPage(runtime, templates(_FOLDER))
    app.include_router(inbox.routes(runtime, page))
    app.include_router(forms.routes(runtime, page))

    handlers = {
        topics.ANSWERS.name: answers.handler(runtime),
        topics.ORDERS.name: orders.handler(runtime),
        topics.SENDS.name: sends.handler(runtime),
        topics.PREFERENCES.name: preferences.handler(runtime),
        topics.SHARED_IDS.name: shared_ids.handler(runtime),
    }

    async def start() -> None:
        await routing_rules.start(runtime)

    return Service(
        handlers={
            topics.SESSIONS.name: sessions.handler(),
            **dict.fromkeys(handlers, batch.handler(runtime, handlers)),
        },
        loops=(Periodic("customer history", _RETENTION_SECONDS, RetentionLoop(runtime).step),),
        app=app,
        start=start,
    )
