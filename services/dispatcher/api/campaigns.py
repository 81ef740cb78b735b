"""Campaigns, and dry runs of an order event."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict

from services.dispatcher.actions import campaigns as actions
from services.dispatcher.actions.campaigns import TooManyCampaigns
from services.dispatcher.domain import campaigns as rules
from services.dispatcher.domain.campaign_review import mistakes, possible_values
from services.dispatcher.domain.campaigns import Campaign, StoredCampaign
from services.dispatcher.domain.segments import Segmentation
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
from shared.locales import SUPPORTED
from shared.runtime import Runtime
from shared.texts.placeholders import PLACEHOLDERS
from shared.web.auth import require
from shared.web.limits import limited_text
from shared.web.parameters import known_parameters
from shared.web.problems import INVALID_REQUEST, Problem, declared

CampaignId = Annotated[str, Path(min_length=1, max_length=63, description="The campaign's id, such as service-nps.")]


class CurrentCampaign(BaseModel):
    """A definition and its published version."""

    version: int
    definition: dict[str, Any]


class AppliedCampaign(CurrentCampaign):
    """``applied`` is false if it was only validated: ``version`` is then the current one, 0 if there is none.

    ``warnings`` tell which campaigns would never ask anybody because of others.
    """

    applied: bool
    warnings: list[str]


class DimensionOptions(BaseModel):
    """What an audience may say about a dimension: one of ``values``, or anything as described if they are null."""

    dimension: str
    description: str
    values: list[str] | None
    examples: list[str]


class CampaignOptions(BaseModel):
    """What a definition may say; besides these dimensions, ``attributes.<name>`` of the order."""

    dimensions: list[DimensionOptions]
    placeholders: list[str]
    languages: list[str]


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


class DryRunRequest(BaseModel):
    """An order event as a shop would send it, its type and its body; and a definition, if not the current one."""

    model_config = ConfigDict(extra="forbid")
    definition: dict[str, Any] | None = None
    """A campaign to try instead of the current one; its id is that of the URL."""
    type: OrderEventType | None = None
    body: Annotated[OrderEvent | None, BeforeValidator(_as_from_kafka)] = None


def routes(runtime: Runtime[DispatcherSettings]) -> APIRouter:
    router = APIRouter(dependencies=[Depends(known_parameters)], responses=declared(401, 403))

    @router.get("/v1/campaigns", dependencies=[Depends(require("campaigns:read"))])
    async def list_campaigns() -> CampaignList:
        """The current campaigns."""
        async with runtime.read_only() as connection:
            return CampaignList(campaigns=[_current(stored) for stored in await queries.every(connection)])

    @router.get(
        "/v1/campaigns/{campaign_id}", dependencies=[Depends(require("campaigns:read"))], responses=declared(404)
    )
    async def get_campaign(campaign_id: CampaignId) -> CurrentCampaign:
        """One current campaign."""
        return _current(await _stored(runtime, campaign_id))

    @router.put(
        "/v1/campaigns/{campaign_id}",
        dependencies=[Depends(require("campaigns:write"))],
        responses=declared(409),
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
    async def put_campaign(
        campaign_id: CampaignId,
        request: Request,
        validate: Annotated[bool, Query(description="Only check it: nothing is applied.")] = False,
    ) -> AppliedCampaign:
        """Applies a definition, in JSON or YAML; one that differs from the current definition becomes a new version."""
        text = await limited_text(request, rules.MAX_DEFINITION_BYTES)
        definition = _definition(campaign_id, text, runtime.settings.segmentation)
        async with runtime.read_only() as connection:
            warnings = await dry_run.warned(connection, runtime, definition)
            current = {stored.campaign.id: stored.version for stored in await queries.every(connection)}
        if validate:
            written = definition.model_dump(mode="json")
            version = current.get(campaign_id, 0)
            return AppliedCampaign(version=version, definition=written, applied=False, warnings=warnings)
        try:
            applied = _current(await actions.put(runtime, definition))
            return AppliedCampaign(**dict(applied), applied=True, warnings=warnings)
        except TooManyCampaigns as error:
            raise Problem(409, "Too many campaigns", detail=str(error)) from error

    @router.get("/v1/campaign-options", dependencies=[Depends(require("campaigns:read"))])
    async def list_campaign_options() -> CampaignOptions:
        """What a definition may say: segments and their values, placeholders of texts, languages."""
        possible = possible_values(None, runtime.settings.segmentation)
        return CampaignOptions(
            dimensions=[
                DimensionOptions(
                    dimension=dimension,
                    description=each.described,
                    values=None if each.values is None else list(each.values),
                    examples=list(each.values or each.examples),
                )
                for dimension, each in possible.items()
            ],
            placeholders=list(PLACEHOLDERS),
            languages=list(SUPPORTED),
        )

    @router.post(
        "/v1/campaigns/{campaign_id}/dry-run",
        dependencies=[Depends(require("campaigns:read"))],
        responses=declared(404),
    )
    async def dry_run_campaign(campaign_id: CampaignId, sample: DryRunRequest | None = None) -> DryRun:
        """What the campaign, or the definition in the body, would do about an order event if it arrived now.

        Nothing is stored or sent.
        """
        if sample is not None and sample.definition is not None:
            text = json.dumps(sample.definition)
            campaign = _definition(campaign_id, text, runtime.settings.segmentation)
        else:
            campaign = (await _stored(runtime, campaign_id)).campaign
        async with runtime.read_only() as connection:
            if sample is None or (sample.type is None and sample.body is None):
                general = dry_run.in_general(campaign)
                return general.model_copy(update={"warnings": await dry_run.warned(connection, runtime, campaign)})
            if sample.type is None or sample.body is None:
                raise Problem(422, INVALID_REQUEST, detail="type and body: give both, or neither")
            return await dry_run.of_event(connection, runtime, campaign, sample.type, sample.body)

    return router


async def _stored(runtime: Runtime[DispatcherSettings], campaign_id: str) -> StoredCampaign:
    async with runtime.read_only() as connection:
        try:
            return await queries.one(connection, campaign_id)
        except NoSuchCampaign as error:
            raise Problem(404, "No such campaign", detail=str(error)) from error


def _definition(campaign_id: str, text: str, segmentation: Segmentation) -> Campaign:
    """The definition in a text; JSON is parsed as YAML, of which it is a subset."""
    try:
        definition = rules.parse(text, where="the definition", review=lambda campaign: mistakes(campaign, segmentation))
    except InvalidDefinition as error:
        raise Problem(422, "Invalid definition", detail=str(error)) from error
    if definition.id != campaign_id:
        raise Problem(
            422, "Invalid definition", detail=f"its id is {definition.id!r}, but the URL says {campaign_id!r}"
        )
    return definition


def _current(stored: StoredCampaign) -> CurrentCampaign:
    return CurrentCampaign(version=stored.version, definition=stored.campaign.model_dump(mode="json"))
