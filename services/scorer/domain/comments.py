"""What customers say, as it is shown."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """``id`` only serves to tell comments apart. ``answer_id`` is None for comments stored before revision 0003;
    ``campaign`` is empty for an answer without a campaign."""

    id: str
    answer_id: str | None
    answered_at: datetime
    score: int
    comment: str
    campaign: str
