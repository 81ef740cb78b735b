"""The routing API: reading and replacing the current rules."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, BeforeValidator

from services.alerter.actions import routing as actions
from services.alerter.domain.routing import MAX_BYTES, Routing
from services.alerter.queries import routing as queries
from services.alerter.settings import AlerterSettings
from shared.api_keys import Caller
from shared.definitions import InvalidDefinition
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.limits import limited_text
from shared.web.parameters import known_parameters
from shared.web.problems import Problem, declared


class CurrentRouting(BaseModel):
    version: int
    routing: Routing


class ReplacedRouting(CurrentRouting):
    """``topics_created`` are the topics made for new queues, with the installation's prefix."""

    topics_created: list[str]


def _without_quotes(version: str | None) -> str | None:
    """HTTP has the values of this header in double quotes, and many clients add them."""
    return None if version is None else version.strip().removeprefix('"').removesuffix('"')


def routes(runtime: Runtime[AlerterSettings]) -> APIRouter:
    router = APIRouter(prefix="/v1/routing", dependencies=[Depends(known_parameters)], responses=declared(401, 403))

    @router.get("", dependencies=[Depends(require("cases:read"))])
    async def get_routing() -> CurrentRouting:
        """The current routing rules."""
        async with runtime.read_only() as connection:
            current = await queries.current(connection)
        return CurrentRouting(version=current.version, routing=current.routing)

    @router.put("", responses=declared(409))
    async def put_routing(
        request: Request,
        caller: Annotated[Caller, Depends(require("routing:write"))],
        version: Annotated[
            int | None,
            BeforeValidator(_without_quotes),
            Header(alias="If-Match", description="The version that was read, with or without quotes."),
        ] = None,
    ) -> ReplacedRouting:
        """Replaces the rules with those in the body, YAML or JSON. They apply to answers from now on; existing cases
        stay in their queues. Topics are created for new queues."""
        document = await limited_text(request, MAX_BYTES)
        try:
            replaced = await actions.replace(runtime, document, expected=version, actor=caller.name)
        except InvalidDefinition as error:
            raise Problem(422, "The routing rules cannot be used", detail=str(error)) from error
        except actions.RoutingChanged as error:
            raise Problem(409, "The routing rules have changed", detail=str(error), version=error.version) from error
        except actions.TooManyQueues as error:
            raise Problem(422, "Too many queues", detail=str(error)) from error
        return ReplacedRouting(
            version=replaced.version, routing=replaced.routing, topics_created=replaced.topics_created
        )

    return router
