"""The inbox's filters, from its URL."""

from dataclasses import asdict, dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query

from services.alerter.domain.case import MAX_NAME
from services.alerter.domain.case_list import MAX_SEARCH, STATUS_FILTERS, CaseFilter, StatusFilter
from shared.web.paging import CursorQuery
from shared.web.problems import INVALID_REQUEST, Problem

EVERY_QUEUE = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The list's filters, from the URL; empty is the default: the waiting cases of the first queue.

    With a search, the default is every queue and every status: who looks for a customer does not know either.
    """

    queue: str = ""
    status: str = ""
    owner: str = ""
    search: str = ""
    cursor: str = ""

    def address(self, path: str = "/", **other: str) -> str:
        """``path`` with these filters, some replaced by ``other``."""
        given = {name: value for name, value in {**asdict(self), **other}.items() if value}
        return f"{path}?{urlencode(given)}" if given else path

    @property
    def default_status(self) -> StatusFilter:
        return "any" if self.search else "waiting"

    def case_filter(self, first_queue: str) -> CaseFilter:
        """Raises a 422 problem for a status that does not exist."""
        queue = self.queue or (EVERY_QUEUE if self.search else first_queue)
        if self.status and self.status not in STATUS_FILTERS:
            raise Problem(
                422, INVALID_REQUEST, detail=f"status: must be one of {', '.join(STATUS_FILTERS)}, or left out"
            )
        return CaseFilter(
            queue="" if queue == EVERY_QUEUE else queue,
            status=next((status for status in STATUS_FILTERS if status == self.status), self.default_status),
            owner=self.owner,
            search=self.search,
        )


def _filters(
    queue: Annotated[str, Query(max_length=MAX_NAME)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
    owner: Annotated[str, Query(max_length=MAX_NAME)] = "",
    search: Annotated[str, Query(max_length=MAX_SEARCH)] = "",
    cursor: CursorQuery = None,
) -> Filters:
    return Filters(queue=queue, status=status, owner=owner, search=search, cursor=cursor or "")


GivenFilters = Annotated[Filters, Depends(_filters)]
