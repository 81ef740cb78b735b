"""The inbox's filters, from its URL."""

from dataclasses import asdict, dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query

from services.alerter.domain.case import MAX_NAME
from services.alerter.domain.case_list import MAX_SEARCH, STATUS_FILTERS, CaseFilter
from shared.web.paging import CursorQuery

EVERY_QUEUE = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The list's filters, from the URL; empty is the default: the waiting cases of the first queue."""

    queue: str = ""
    status: str = ""
    owner: str = ""
    search: str = ""
    cursor: str = ""

    def address(self, path: str = "/", **other: str) -> str:
        """``path`` with these filters, some replaced by ``other``."""
        given = {name: value for name, value in {**asdict(self), **other}.items() if value}
        return f"{path}?{urlencode(given)}" if given else path

    def case_filter(self, first_queue: str) -> CaseFilter:
        """An unknown status counts as the default, so that an old bookmark still shows a list."""
        queue = self.queue or first_queue
        return CaseFilter(
            queue="" if queue == EVERY_QUEUE else queue,
            status=next((status for status in STATUS_FILTERS if status == self.status), "waiting"),
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
