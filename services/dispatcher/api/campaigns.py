"""The dispatcher over HTTP: campaigns, what one would do, and why a customer was or was not surveyed."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from services.dispatcher.actions import campaigns as catalogue
from services.dispatcher.actions.campaigns import TooManyCampaigns
from services.dispatcher.domain import campaigns as rules
from services.dispatcher.domain.campaigns import Campaign, InvalidCampaign
from services.dispatcher.domain.decisions import Decision, explain
from services.dispatcher.queries import dry_run as trial
from services.dispatcher.queries.dry_run import SampleEvent, Trial
from services.dispatcher.repository import campaigns, decisions
from services.dispatcher.repository.campaigns import StoredCampaign
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import identity
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.problems import Problem

CampaignId = Annotated[str, Path(min_length=1, max_length=63, description="The campaign's id, such as service-nps.")]
CustomerId = Annotated[Identifier, Path(description="The customer's id, as the shop gave it in order events.")]


class CampaignInForce(BaseModel):
    """A definition and the version it is published under."""

    version: int
    definition: dict[str, Any]


class CampaignList(BaseModel):
    """All campaigns; there are never more than a page holds."""

    campaigns: list[CampaignInForce]
    next_cursor: str | None = None


class TellingEvent(BaseModel):
    """The order event, or request, a decision is about."""

    type: str
    source: str
    id: str
    occurred_at: datetime


class CampaignEffect(BaseModel):
    """What the event did to one campaign's timer."""

    campaign: str
    change: str
    reason: str
    due_at: datetime | None
    explanation: str


class DecisionEntry(BaseModel):
    """``explanation`` says ``outcome`` and ``reason`` in a sentence. Times are in UTC."""

    model_config = ConfigDict(extra="forbid")
    decision_id: str
    decided_at: datetime
    outcome: str
    reason: str
    explanation: str
    order_id: str | None
    event: TellingEvent | None
    campaign: str | None
    timer_id: str | None
    send_id: str | None
    until: datetime | None
    because_of: str | None
    effects: list[CampaignEffect]


class DecisionList(BaseModel):
    """Newest first. ``next_cursor`` is null at the end."""

    decisions: list[DecisionEntry]
    next_cursor: str | None


def create_router(runtime: Runtime[DispatcherSettings]) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/campaigns", dependencies=[Depends(require("campaigns:read"))])
    async def list_campaigns() -> CampaignList:
        """The campaigns in force."""
        async with runtime.read_only() as connection:
            stored = await campaigns.all_of_them(connection)
        return CampaignList(campaigns=[_in_force(campaign) for campaign in stored.values()])

    @router.get("/v1/campaigns/{campaign_id}", dependencies=[Depends(require("campaigns:read"))])
    async def one_campaign(campaign_id: CampaignId) -> CampaignInForce:
        """One campaign in force."""
        return _in_force(await _stored(runtime, campaign_id))

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
    async def put_campaign(campaign_id: CampaignId, request: Request) -> CampaignInForce:
        """Brings a definition, in JSON or YAML, into force; the version grows when it differs from the one before."""
        definition = await _definition(campaign_id, request)
        try:
            return _in_force(await catalogue.put(runtime, definition))
        except TooManyCampaigns as error:
            raise Problem(409, "Too many campaigns", str(error)) from error

    @router.post("/v1/campaigns/{campaign_id}/dry-run", dependencies=[Depends(require("campaigns:read"))])
    async def dry_run(campaign_id: CampaignId, sample: SampleEvent | None = None) -> Trial:
        """What the campaign would do about an order event if it came now. Nothing is kept, and nothing is sent."""
        stored = await _stored(runtime, campaign_id)
        async with runtime.read_only() as connection:
            return await trial.of_event(runtime, connection, stored.campaign, sample)

    @router.get("/v1/customers/{customer_id:path}/decisions", dependencies=[Depends(require("decisions:read"))])
    async def list_decisions(
        customer_id: CustomerId,
        cursor: Annotated[str, Query(pattern=r"^\d{0,18}$", description="next_cursor of the page before.")] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> DecisionList:
        """Why, and why not, this customer was surveyed: every decision about them, newest first."""
        async with runtime.read_only() as connection:
            page = await decisions.story(connection, customer_id, int(cursor) if cursor else None, limit)
        return DecisionList(
            decisions=[_entry(decision) for decision in page.decisions],
            next_cursor=None if page.following is None else str(page.following),
        )

    return router


async def _stored(runtime: Runtime[DispatcherSettings], campaign_id: str) -> StoredCampaign:
    async with runtime.read_only() as connection:
        stored = (await campaigns.all_of_them(connection)).get(campaign_id)
    if stored is None:
        raise Problem(404, "No such campaign", f"there is no campaign {campaign_id!r}; GET /v1/campaigns lists them")
    return stored


async def _definition(campaign_id: str, request: Request) -> Campaign:
    """The definition in the body: JSON is YAML, too."""
    written = bytearray()
    async for chunk in request.stream():
        written += chunk
        if len(written) > rules.LARGEST_DEFINITION:
            raise Problem(413, "The definition is too large", f"{rules.LARGEST_DEFINITION:,} bytes is the most")
    try:
        definition = rules.parse(written.decode(), "the definition")
    except UnicodeDecodeError as error:
        raise Problem(422, "The definition breaks a rule", "the body is not UTF-8 text") from error
    except InvalidCampaign as error:
        raise Problem(422, "The definition breaks a rule", str(error)) from error
    if definition.id != campaign_id:
        raise Problem(
            422, "The definition breaks a rule", f"its id is {definition.id!r}, the address says {campaign_id!r}"
        )
    return definition


def _in_force(stored: StoredCampaign) -> CampaignInForce:
    return CampaignInForce(version=stored.version, definition=stored.campaign.model_dump(mode="json"))


def _entry(decision: Decision) -> DecisionEntry:
    event = None
    if decision.event_type and decision.source and decision.event_id and decision.occurred_at:
        event = TellingEvent(
            type=decision.event_type, source=decision.source, id=decision.event_id, occurred_at=decision.occurred_at
        )
    sent = decision.outcome == "sent" and decision.timer_id is not None
    until = None if decision.until is None else f"{decision.until:%Y-%m-%d %H:%M} UTC"
    return DecisionEntry(
        decision_id=decision.decision_id,
        decided_at=decision.decided_at,
        outcome=decision.outcome,
        reason=decision.reason,
        explanation=explain(decision.outcome, decision.reason, until, decision.because_of),
        order_id=decision.order_id,
        event=event,
        campaign=decision.campaign,
        timer_id=decision.timer_id,
        send_id=identity.send_id(decision.timer_id) if sent and decision.timer_id else None,
        until=decision.until,
        because_of=decision.because_of,
        effects=[
            CampaignEffect(
                campaign=effect.campaign,
                change=effect.change,
                reason=effect.reason,
                due_at=effect.due_at,
                explanation=explain("no_timer" if effect.change == "none" else f"timer_{effect.change}", effect.reason),
            )
            for effect in decision.effects
        ],
    )
