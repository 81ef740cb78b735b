"""What is known of a guest, who has no account and so no id that anybody outside knows."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.contracts.orders import said
from shared.contracts.types import Identifier, ShortText

MAX_ORDERS = 500


def _as_ordered(value: str) -> str:
    address = said(value)
    if address is None:
        raise ValueError("is blank")
    return address


_Address = Annotated[ShortText, AfterValidator(_as_ordered)]


class GuestKnownBy(BaseModel):
    """By what a guest is to be erased: any of these, as in their orders.

    A guest is known by the email address, without one by the phone number, without both by the order.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"email": "ana@example.com", "order_ids": ["1001"]}]},
    )

    email: _Address | None = None
    phone: _Address | None = None
    order_ids: Annotated[list[Identifier], Field(max_length=MAX_ORDERS)] = []

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not (self.addresses or self.order_ids):
            raise ValueError("give email, phone or order_ids of the guest, as in their orders")
        return self

    @property
    def addresses(self) -> list[str]:
        return [address for address in (self.email, self.phone) if address is not None]
