"""The collector's SQL. Statements are set-based where rows come in sets; none commits.

What is changed by reading, deciding and writing carries a revision: the write names the revision that was read and
does nothing when another came between (compare-and-set), and then the caller reads again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.answers import Answer
from shared.contracts.campaigns import CampaignPublished
from shared.contracts.preferences import ChannelPreference
from shared.contracts.sends import Channel, SurveySent
from shared.contracts.types import Segments

_CHANNELS = TypeAdapter(list[ChannelPreference])


@dataclass(frozen=True, slots=True)
class Send:
    """A survey an answer may come to. ``customer_id`` and everything personal is gone once ``erased_at`` is set."""

    send_id: str
    campaign: str
    campaign_version: int
    channel: Channel
    locale: str
    customer_id: str | None
    address: str | None
    name: str | None
    order_id: str | None
    product: str | None
    segments: Segments
    sent_at: datetime
    expires_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """``answer`` is None once erased; ``revision`` then is that of the erasure."""

    revision: int
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Survey:
    """A send with its campaign, if that has been seen, and the answer given so far."""

    send: Send
    campaign: CampaignPublished | None
    stored: StoredAnswer | None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a send went to, and where."""

    customer_id: str
    channel: Channel
    address: str | None


@dataclass(frozen=True, slots=True)
class Preferences:
    revision: int
    channels: list[ChannelPreference]


_PUT_CAMPAIGNS = text(
    """
    INSERT INTO campaigns (campaign, campaign_version, definition)
    SELECT campaign, campaign_version, definition::jsonb
    FROM unnest(CAST(:campaigns AS text[]), CAST(:versions AS integer[]), CAST(:definitions AS text[]))
         AS published (campaign, campaign_version, definition)
    ON CONFLICT (campaign, campaign_version) DO UPDATE SET definition = EXCLUDED.definition
    """
)


async def put_campaigns(connection: AsyncConnection, published: Sequence[CampaignPublished]) -> None:
    newest = {(campaign.campaign, campaign.campaign_version): campaign for campaign in published}
    ordered = [newest[key] for key in sorted(newest)]
    await connection.execute(
        _PUT_CAMPAIGNS,
        {
            "campaigns": [campaign.campaign for campaign in ordered],
            "versions": [campaign.campaign_version for campaign in ordered],
            "definitions": [campaign.model_dump_json() for campaign in ordered],
        },
    )


# A send does not change, but a reminder may keep its link open longer.
_PUT_SENDS = text(
    """
    INSERT INTO sends (send_id, campaign, campaign_version, channel, locale, customer_id, address, name, order_id,
                       product, segments, sent_at, expires_at, erased_at)
    SELECT send_id, campaign, campaign_version, channel, locale, customer_id, address, name, order_id,
           product, segments::jsonb, sent_at, expires_at, erased_at
    FROM unnest(CAST(:send_ids AS text[]), CAST(:campaigns AS text[]), CAST(:versions AS integer[]),
                CAST(:channels AS text[]), CAST(:locales AS text[]), CAST(:customer_ids AS text[]),
                CAST(:addresses AS text[]), CAST(:names AS text[]), CAST(:order_ids AS text[]),
                CAST(:products AS text[]), CAST(:segments AS text[]), CAST(:sent_ats AS timestamptz[]),
                CAST(:expires_ats AS timestamptz[]), CAST(:erased_ats AS timestamptz[]))
         AS sent (send_id, campaign, campaign_version, channel, locale, customer_id, address, name, order_id,
                  product, segments, sent_at, expires_at, erased_at)
    ON CONFLICT (send_id) DO UPDATE SET expires_at = EXCLUDED.expires_at
    WHERE sends.expires_at < EXCLUDED.expires_at
    """
)


async def put_sends(connection: AsyncConnection, sends: Sequence[SurveySent], erased: Mapping[str, datetime]) -> None:
    """Adds sends not known yet. ``erased`` maps the send ids whose customer was erased meanwhile to the moment: of
    these nothing personal is kept."""
    longest: dict[str, SurveySent] = {}
    for send in sends:
        known = longest.get(send.send_id)
        if known is None or known.expires_at < send.expires_at:
            longest[send.send_id] = send
    rows = [longest[send_id] for send_id in sorted(longest)]
    kept = [None if send.send_id in erased else send for send in rows]
    await connection.execute(
        _PUT_SENDS,
        {
            "send_ids": [send.send_id for send in rows],
            "campaigns": [send.campaign for send in rows],
            "versions": [send.campaign_version for send in rows],
            "channels": [send.channel for send in rows],
            "locales": [send.locale for send in rows],
            "customer_ids": [send and send.customer_id for send in kept],
            "addresses": [send and send.recipient.address for send in kept],
            "names": [send and send.recipient.name for send in kept],
            "order_ids": [send and send.order_id for send in kept],
            "products": [send and send.product for send in kept],
            "segments": [orjson.dumps(send.segments if send else {}).decode() for send in kept],
            "sent_ats": [send.sent_at for send in rows],
            "expires_ats": [send.expires_at for send in rows],
            "erased_ats": [erased.get(send.send_id) for send in rows],
        },
    )


# The share lock makes an erasure of this customer wait for us, or us for it. The campaign is the version the survey
# was sent under, or the newest known while that one is still on its way.
_SURVEY = """
    SELECT sends.*, campaign.definition, answers.revision AS answer_revision, answers.body AS answer_body
    FROM sends
    LEFT JOIN LATERAL (
        SELECT definition FROM campaigns
        WHERE campaigns.campaign = sends.campaign
        ORDER BY campaign_version = sends.campaign_version DESC, campaign_version DESC
        LIMIT 1
    ) AS campaign ON true
    LEFT JOIN answers ON answers.answer_id = :answer_id
    WHERE sends.send_id = :send_id
"""
_READ_SURVEY = text(_SURVEY)
_HOLD_SURVEY = text(_SURVEY + " FOR SHARE OF sends")


async def read_survey(connection: AsyncConnection, send_id: str, answer_id: str) -> Survey | None:
    """The survey as a page shows it; None while its send has not been consumed."""
    return _survey((await connection.execute(_READ_SURVEY, _ids(send_id, answer_id))).mappings().first())


async def hold_survey(connection: AsyncConnection, send_id: str, answer_id: str) -> Survey | None:
    """The same, and until the transaction ends nobody can erase the customer's data from under it."""
    return _survey((await connection.execute(_HOLD_SURVEY, _ids(send_id, answer_id))).mappings().first())


_READ_OWNERS = text(
    """
    SELECT send_id, customer_id, address, channel FROM sends
    WHERE send_id = ANY(CAST(:send_ids AS text[])) AND customer_id IS NOT NULL
    """
)


async def read_owners(connection: AsyncConnection, send_ids: Sequence[str]) -> dict[str, Owner]:
    """Whom each of these sends went to; those who were erased are left out."""
    rows = await connection.execute(_READ_OWNERS, {"send_ids": send_ids})
    return {row.send_id: Owner(row.customer_id, row.channel, row.address) for row in rows}


def _ids(send_id: str, answer_id: str) -> dict[str, str]:
    return {"send_id": send_id, "answer_id": answer_id}


def _survey(row: RowMapping | None) -> Survey | None:
    if row is None:
        return None
    columns = {field: row[field] for field in Send.__slots__ if field != "segments"}
    send = Send(**columns, segments=orjson.loads(_raw(row["segments"])))
    definition = row["definition"]
    return Survey(
        send,
        None if definition is None else CampaignPublished.model_validate_json(_raw(definition), extra="ignore"),
        None if row["answer_revision"] is None else _stored(row["answer_revision"], row["answer_body"]),
    )


_READ_ANSWER = text("SELECT revision, body FROM answers WHERE answer_id = :answer_id")


async def read_answer(connection: AsyncConnection, answer_id: str) -> StoredAnswer | None:
    row = (await connection.execute(_READ_ANSWER, {"answer_id": answer_id})).first()
    return None if row is None else _stored(row.revision, row.body)


_PUT_ANSWER = text(
    """
    INSERT INTO answers (answer_id, revision, customer_id, body)
    VALUES (:answer_id, :revision, :customer_id, CAST(:body AS jsonb))
    ON CONFLICT (answer_id) DO UPDATE
    SET revision = EXCLUDED.revision, customer_id = EXCLUDED.customer_id, body = EXCLUDED.body
    WHERE answers.revision = EXCLUDED.revision - 1 AND answers.body IS NOT NULL
    RETURNING revision
    """
)


async def put_answer(connection: AsyncConnection, answer: Answer) -> bool:
    """Writes the answer; False when the revision before it is not the newest any more."""
    result = await connection.execute(
        _PUT_ANSWER,
        {
            "answer_id": answer.answer_id,
            "revision": answer.revision,
            "customer_id": answer.customer_id,
            "body": answer.model_dump_json(exclude_none=True),
        },
    )
    return result.first() is not None


_READ_PREFERENCES = text(
    """
    SELECT customer_id, revision, channels FROM preferences WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    """
)


async def read_preferences(connection: AsyncConnection, customer_ids: Sequence[str]) -> dict[str, Preferences]:
    """The preferences of those customers who have any."""
    rows = await connection.execute(_READ_PREFERENCES, {"customer_ids": customer_ids})
    return {row.customer_id: Preferences(row.revision, _CHANNELS.validate_json(_raw(row.channels))) for row in rows}


_PUT_PREFERENCES = text(
    """
    INSERT INTO preferences (customer_id, revision, channels)
    SELECT customer_id, revision, channels::jsonb
    FROM unnest(CAST(:customer_ids AS text[]), CAST(:revisions AS integer[]), CAST(:channels AS text[]))
         AS wished (customer_id, revision, channels)
    ON CONFLICT (customer_id) DO UPDATE SET revision = EXCLUDED.revision, channels = EXCLUDED.channels
    WHERE preferences.revision = EXCLUDED.revision - 1
    RETURNING customer_id
    """
)


async def put_preferences(connection: AsyncConnection, preferences: Mapping[str, Preferences]) -> set[str]:
    """Writes every channel's state of each customer; gives back the customers written, which leaves out those whose
    revision before it is not the newest any more."""
    customer_ids = sorted(preferences)
    rows = await connection.execute(
        _PUT_PREFERENCES,
        {
            "customer_ids": customer_ids,
            "revisions": [preferences[customer_id].revision for customer_id in customer_ids],
            "channels": [
                _CHANNELS.dump_json(preferences[customer_id].channels).decode() for customer_id in customer_ids
            ],
        },
    )
    return set(rows.scalars())


# By the index on expires_at, a bounded batch at a time, passing over rows somebody is answering just now.
PRUNE_SENDS = text(
    """
    DELETE FROM sends WHERE send_id IN (
        SELECT send_id FROM sends WHERE expires_at < :before ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)


async def prune_sends(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Removes up to ``limit`` sends whose link closed before then; gives back how many it were."""
    return (await connection.execute(PRUNE_SENDS, {"before": before, "limit": limit})).rowcount


def _stored(revision: int, body: object) -> StoredAnswer:
    return StoredAnswer(revision, None if body is None else Answer.model_validate_json(_raw(body), extra="ignore"))


def _raw(document: object) -> str | bytes:
    """A jsonb column as JSON text: the driver hands it over as text, a typed column as objects."""
    return document if isinstance(document, str) else orjson.dumps(document)
