"""The current routing rules, as every transaction and page reads them."""

from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.routing import Routing, RoutingVersion, parse_stored
from services.alerter.repository import routing


async def current(connection: AsyncConnection) -> RoutingVersion:
    """The current rules in this transaction, so that all replicas follow the same."""
    stored = await routing.read(connection)
    if stored is None:
        raise RuntimeError("there are no routing rules yet; actions.routing.start must run first")
    version, document = stored
    return RoutingVersion(version, _parsed(document))


# The rules are read in every transaction, and change rarely.
@lru_cache(maxsize=4)
def _parsed(document: str) -> Routing:
    return parse_stored(document)
