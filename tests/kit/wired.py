"""Every process of the product, wired as it is when it runs, but not started."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from services.alerter import wiring as alerter
from services.alerter.settings import AlerterSettings
from services.collector import wiring as collector
from services.collector.settings import CollectorSettings
from services.dispatcher import wiring as dispatcher
from services.dispatcher.courier import wiring as courier
from services.dispatcher.courier.settings import CourierSettings
from services.dispatcher.settings import DispatcherSettings
from services.scorer import wiring as scorer
from services.scorer.settings import ScorerSettings
from shared.loops import Periodic
from shared.messaging.reading import Reading
from shared.process import Service, background_loops
from shared.runtime import open_runtime
from shared.settings import ServiceSettings
from tests.kit.settings import settings_for

BUILDERS: dict[str, tuple[type[ServiceSettings], Callable[[Any], Service]]] = {
    "dispatcher": (DispatcherSettings, dispatcher.build),
    "courier": (CourierSettings, courier.build),
    "collector": (CollectorSettings, collector.build),
    "scorer": (ScorerSettings, scorer.build),
    "alerter": (AlerterSettings, alerter.build),
}


@asynccontextmanager
async def built(process: str) -> AsyncIterator[tuple[Service, list[Periodic]]]:
    """A process that was built and not started, and its loops. It connects to nothing."""
    kind, build = BUILDERS[process]
    settings = settings_for(kind, "postgresql://nobody@127.0.0.1:1/nowhere")
    async with open_runtime(process, settings) as runtime:
        service = build(runtime)
        assert isinstance(runtime.reads, Reading)
        yield service, background_loops(runtime, service, runtime.reads)
        if service.close is not None:
            await service.close()
