"""How the courier's parts are put together."""

from services.dispatcher.courier.channels.email.compose import Desk
from services.dispatcher.courier.channels.email.receipts import Receipts
from services.dispatcher.courier.channels.email.smtp import Connections
from services.dispatcher.courier.handlers.sends import handle_sends
from services.dispatcher.courier.loops.deliver import Courier
from services.dispatcher.courier.loops.unresolved import UnknownOutcomes
from services.dispatcher.courier.settings import CourierSettings
from shared.contracts.topics import SENDS
from shared.loops import Periodic
from shared.process import Service
from shared.runtime import Runtime
from shared.web.app import create_app


def build(runtime: Runtime[CourierSettings]) -> Service:
    settings = runtime.settings
    connections = Connections(
        settings.server,
        greeting=settings.greeting,
        connections=settings.courier_connections,
        mail_seconds=settings.courier_mail_seconds,
        a_second=settings.courier_mails_per_second,
    )
    courier = Courier(runtime, connections, Desk(settings.sender, runtime.brand))
    receipts = Receipts(settings.smtp_receipts_url) if settings.smtp_receipts_url else None
    unknown_outcomes = UnknownOutcomes(runtime, receipts)
    # A burst ends with its lease at the latest; only after that is the loop taken for dead.
    allowed = 60 + 2 * settings.courier_lease_seconds
    return Service(
        handlers={SENDS.name: handle_sends(settings.sender.mailbox)},
        app=create_app(runtime, "Hearback courier"),
        loops=(
            Periodic("courier", 0.1, courier.round, allowed),
            Periodic("unknown outcomes", 1.0, unknown_outcomes.round, allowed),
        ),
        close=connections.close,
    )
