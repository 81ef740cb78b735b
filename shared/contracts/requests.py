"""``surveys.requests``: somebody asks that a customer be surveyed, such as after a case was resolved."""

from shared.contracts.types import Contract, Identifier, Instant, Label, ShortText

REQUESTED = "survey.requested"


class SurveyRequested(Contract):
    """The dispatcher decides as it does for any survey; ``not_before`` is the earliest it may be due."""

    request_id: Identifier
    customer_id: Identifier
    campaign: Identifier
    requested_by: Label
    requested_at: Instant
    not_before: Instant
    order_id: Identifier | None = None
    reason: ShortText | None = None
