"""What is stored about a survey sent to a customer."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shared.contracts.sends import SurveySent


class Survey(BaseModel):
    """A survey sent to a customer."""

    model_config = ConfigDict(frozen=True)

    send_id: str
    campaign: str
    channel: str
    sent_at: datetime
    order_id: str | None = None
    product: str | None = None


def survey_of(send: SurveySent) -> Survey:
    return Survey(
        send_id=send.send_id,
        campaign=send.campaign,
        channel=send.channel,
        sent_at=send.sent_at,
        order_id=send.order_id,
        product=send.product,
    )
