"""Lists of cases: which cases, from where, and what a line of the list is made of."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from services.alerter.domain.case import Case, CaseContext

StatusFilter = Literal["waiting", "open", "assigned", "contacted", "escalated", "closed", "any"]
"""A case's status, or "waiting" for all but closed."""
MAX_SEARCH = 200
"""Characters of a search."""

STATUS_FILTERS: tuple[StatusFilter, ...] = get_args(StatusFilter)
UNASSIGNED = "-"
"""In place of an owner's name: cases without an owner."""


class Cursor(NamedTuple):
    """Where a page of a list ended."""

    position: int
    case_id: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case and its context, from which the search columns are derived."""

    case: Case
    context: CaseContext

    @property
    def cursor(self) -> Cursor:
        """Where a page ends that ends with it."""
        return Cursor(self.case.position, self.case.case_id)

    @property
    def awaits_customer(self) -> bool:
        """Whether the case is to be republished once its customer becomes known."""
        return self.case.waiting and self.context.customer_key is not None and self.context.customer is None

    @property
    def awaits_order(self) -> bool:
        """Whether the case is to be republished once its order becomes known."""
        answer = self.case.answer
        return self.case.waiting and answer is not None and answer.order_id is not None and self.context.order is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases a list shows; empty fields do not filter. ``owner`` may be UNASSIGNED."""

    queue: str = ""
    status: StatusFilter = "waiting"
    owner: str = ""
    search: str = ""
