"""Runs the mailbox: `python -m deploy.local.mailbox`. Settings are in `settings.py`."""

import asyncio
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from deploy.local.mailbox.pages import routes, static_files
from deploy.local.mailbox.settings import MailboxSettings
from deploy.local.mailbox.smtp import MailHandler, serve_smtp
from deploy.local.mailbox.store import MessageStore
from shared.clock import clock_from
from shared.kafka_settings import settings_errors


async def serve(settings: MailboxSettings) -> None:
    """Serves until SIGTERM or Ctrl-C. Raises OSError when a port is in use."""
    store = MessageStore(settings.mailbox_file, settings.mailbox_keep)
    await store.open()
    handler = MailHandler(store, settings.mailbox_rules, settings.mailbox_delay_seconds, clock_from(settings.clock).now)
    smtp = await serve_smtp(handler, settings.http_host, settings.smtp_port)
    app = FastAPI(title="Hearback mailbox", docs_url=None, redoc_url=None)
    app.include_router(routes(store))
    app.mount("/static", static_files())
    config = uvicorn.Config(
        app,
        settings.http_host,
        settings.http_port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        smtp.close()
        await store.close()


def main() -> None:
    try:
        asyncio.run(serve(MailboxSettings()))
    except ValidationError as error:
        sys.exit(settings_errors(error)[0])
    except OSError as error:
        sys.exit(f"The mailbox cannot listen: {error.strerror or error}.")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
