"""The dashboard's filters, from its URL, and the URLs of its links."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends, Query

from services.scorer.domain.score_query import MAX_SEGMENTS
from services.scorer.domain.segments import MAX_DIMENSION
from shared.contracts.scores import ANY_CAMPAIGN, EVERYBODY, Window
from shared.contracts.types import MAX_IDENTIFIER

MAX_FIND = 100
_ANOTHER = "~another~"  # needs no quoting
_MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The filters, and the dimension by which segments are compared (None: the first one): ``page`` of the list of its
    values, or of those that contain the text ``find``."""

    window: Window
    campaign: str | None
    segments: tuple[str, ...]
    by: str | None
    find: str | None = None
    page: int = 1

    def address(self, path: str = "/", **changed: Any) -> str:
        """The dashboard's URL with some parameters changed; of the list of values, ``find`` and ``page`` stay only if
        they are among them."""
        values = {"window": self.window, "campaign": self.campaign, "segment": self.segments, "by": self.by, **changed}
        if values.get("page") == 1:
            del values["page"]
        pairs = [("segment", one) for one in values.pop("segment")]
        pairs += [(name, value) for name, value in values.items() if value]
        return f"{path}?" + urlencode(sorted(pairs), quote_via=quote)

    def without(self, segment: str) -> str:
        return self.address(segment=tuple(one for one in self.segments if one != segment))

    def within(self, segments: Sequence[str]) -> list[str]:
        """The URL of the answers that are in each of ``segments``, too."""
        with_another = self.address(segment=(*self.segments, _ANOTHER))
        return [
            self.address() if segment in self.segments else with_another.replace(_ANOTHER, quote(segment, safe=""))
            for segment in segments
        ]

    def on_page(self, page: int) -> str:
        """Another page of the same list of values."""
        return self.address(find=self.find, page=page)

    def stream_address(self, after: int) -> str:
        """The URL of the stream of updates after change ``after`` with these filters: of the one segment, or of
        everyone, whose score changes with every answer."""
        segment = self.segments[0] if len(self.segments) == 1 else EVERYBODY
        asked = {"window": self.window, "campaign": self.campaign or ANY_CAMPAIGN, "segment": segment, "after": after}
        return "/v1/stream?" + urlencode(asked, quote_via=quote)


def _filters(
    window: Window = "30d",
    campaign: Annotated[str | None, Query(max_length=MAX_IDENTIFIER)] = None,
    segment: Annotated[list[str], Query(max_length=MAX_SEGMENTS)] = [],  # noqa: B006  # FastAPI copies defaults
    by: Annotated[str | None, Query(max_length=MAX_DIMENSION)] = None,
    find: Annotated[str | None, Query(max_length=MAX_FIND)] = None,
    page: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1,
) -> Filters:
    return Filters(
        window=window,
        campaign=campaign or None,
        segments=tuple(dict.fromkeys(one for one in segment if one)),
        by=by or None,
        find=(find or "").replace("\0", "") or None,
        page=page,
    )


GivenFilters = Annotated[Filters, Depends(_filters)]
