"""Campaigns, and dry runs of an order event."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict

from services.dispatcher.actions import campaigns as actions
from services.dispatcher.actions.campaigns import TooManyCampaigns
from services.dispatcher.domain import campaigns as rules
from services.dispatcher.domain.campaigns import Campaign, StoredCampaign
from services.dispatcher.queries import campaigns as queries
from services.dispatcher.queries import dry_run
from services.dispatcher.queries.campaigns import NoSuchCampaign
from services.dispatcher.queries.dry_run import DryRun
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import orders
from shared.contracts.cloudevents import UnreadableRecord, read_body
from shared.contracts.orders import OrderEvent, OrderEventType
from shared.contracts.topics import ORDERS
from shared.definitions import InvalidDefinition
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.limits import limited_text
from shared.web.problems import Problem

CampaignId = Annotated[str, Path(min_length=1, max_length=63, description="The campaign's id, such as service-nps.")]


class CurrentCampaign(BaseModel):
    """A definition and its published version."""

    version: int
    definition: dict[str, Any]


class CampaignList(BaseModel):
    """All campaigns, on one page: there are never more than 200."""

    campaigns: list[CurrentCampaign]
    next_cursor: str | None = None


def _as_from_kafka(body: object) -> object:
    """Reads the body as from Kafka: as forgivingly, and with the same reasons."""
    if not isinstance(body, dict):
        return body
    try:
        return read_body(ORDERS, orders.PLACED, json.dumps(body).encode())[0]
    except UnreadableRecord as error:
        raise ValueError(str(error)) from error


class SampleEvent(BaseModel):
    """An order event as a shop would send it: its type and its body."""

    model_config = ConfigDict(extra="forbid")
    type: OrderEventType
    body: Annotated[OrderEvent, BeforeValidator(_as_from_kafka)]


def routes(runtime: Runtime[DispatcherSettings]) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/campaigns", dependencies=[Depends(require("campaigns:read"))])
    async def list_campaigns() -> CampaignList:
        """The current campaigns."""
        async with runtime.read_only() as connection:
            return CampaignList(campaigns=[_current(stored) for stored in await queries.every(connection)])

    @router.get("/v1/campaigns/{campaign_id}", dependencies=[Depends(require("campaigns:read"))])
    async def get_campaign(campaign_id: CampaignId) -> CurrentCampaign:
        """One current campaign."""
        return _current(await _stored(runtime, campaign_id))

    @router.put(
        "/v1/campaigns/{campaign_id}",
        dependencies=[Depends(require("campaigns:write"))],
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": Campaign.model_json_schema(ref_template="#/$defs/{model}")},
                    "application/yaml": {"schema": {"type": "string"}},
                },
            }
        },
    )
    async def put_campaign(campaign_id: CampaignId, request: Request) -> CurrentCampaign:
        """Applies a definition, in JSON or YAML; one that differs from the current definition becomes a new version."""
        definition = await _definition(campaign_id, request)
        try:
            return _current(await actions.put(runtime, definition))
        except TooManyCampaigns as error:
            raise Problem(409, "Too many campaigns", detail=str(error)) from error

    @router.post("/v1/campaigns/{campaign_id}/dry-run", dependencies=[Depends(require("campaigns:read"))])
    async def dry_run_campaign(campaign_id: CampaignId, sample: SampleEvent | None = None) -> DryRun:
        """What the campaign would do about an order event if it arrived now. Nothing is stored or sent."""
        campaign = (await _stored(runtime, campaign_id)).campaign
        if sample is None:
            return dry_run.in_general(campaign)
        async with runtime.read_only() as connection:
            return await dry_run.of_event(connection, runtime, campaign, sample.type, sample.body)

    return router


async def _stored(runtime: Runtime[DispatcherSettings], campaign_id: str) -> StoredCampaign:
    async with runtime.read_only() as connection:
        try:
            return await queries.one(connection, campaign_id)
        except NoSuchCampaign as error:
            raise Problem(404, "No such campaign", detail=str(error)) from error


async def _definition(campaign_id: str, request: Request) -> Campaign:
    """The definition in the body; JSON is parsed as YAML, of which it is a subset."""
    text = await limited_text(request, rules.MAX_DEFINITION_BYTES)
    try:
        definition = rules.parse(text, where="the definition")
    except InvalidDefinition as error:
        raise Problem(422, "Invalid definition", detail=str(error)) from error
    if definition.id != campaign_id:
        raise Problem(
            422, "Invalid definition", detail=f"its id is {definition.id!r}, but the URL says {campaign_id!r}"
        )
    return definition


def _current(stored: StoredCampaign) -> CurrentCampaign:
    return CurrentCampaign(version=stored.version, definition=stored.campaign.model_dump(mode="json"))
