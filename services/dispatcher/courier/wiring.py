"""Builds the courier from its parts."""

from typing import Any

from services.dispatcher.courier.channels.channel import Channel
from services.dispatcher.courier.channels.email.channel import EmailChannel
from services.dispatcher.courier.handlers import sends
from services.dispatcher.courier.loops.deliver import DeliverLoop
from services.dispatcher.courier.loops.unresolved import UnresolvedLoop
from services.dispatcher.courier.settings import CourierSettings
from shared.contracts import topics
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app

# Real seconds between looks for messages of which nobody knows whether they arrived: after a lease, which is longer.
_UNRESOLVED_SECONDS = 5.0


def build(runtime: Runtime[CourierSettings]) -> Service:
    channels: dict[str, Channel[Any]] = {"email": EmailChannel(runtime.settings)}
    # A burst ends with its lease at the latest; only after that is the loop considered dead.
    allowed = 60 + 2 * runtime.settings.courier_lease_seconds
    loops: list[Periodic] = []
    for name, channel in channels.items():
        deliver = DeliverLoop(runtime, channel, channels.keys() - {name})
        loops += [
            Periodic(
                f"deliver {name}",
                0.1,
                deliver.step,
                allowed_seconds=allowed,
                quiet=deliver.quiet,
                handled=runtime.handled,
            ),
            Periodic(
                f"unresolved {name}",
                _UNRESOLVED_SECONDS,
                UnresolvedLoop(runtime, channel).step,
                allowed_seconds=allowed,
            ),
        ]

    async def close() -> None:
        for channel in channels.values():
            await channel.close()

    return Service(
        handlers={topics.SENDS.name: sends.handler(runtime, channels)},
        app=create_app(runtime, "Hearback courier"),
        loops=loops,
        close=close,
    )
