"""The parameters in the dashboard's URL, and the URLs of its links."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from shared.contracts.scores import ANY_CAMPAIGN, EVERYBODY, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The filters, and the dimension by which segments are compared (None: the first one)."""

    window: Window
    campaign: str | None
    segments: tuple[str, ...]
    by: str | None

    def address(self, **changed: Any) -> str:
        """The dashboard's URL with some parameters changed."""
        values = {"window": self.window, "campaign": self.campaign, "segment": self.segments, "by": self.by, **changed}
        pairs = [("segment", one) for one in values.pop("segment")]
        pairs += [(name, value) for name, value in values.items() if value]
        return "/?" + urlencode(sorted(pairs), quote_via=quote)

    def without(self, segment: str) -> str:
        return self.address(segment=tuple(one for one in self.segments if one != segment))

    def within(self, segment: str) -> str:
        return self.address(segment=(*self.segments, segment) if segment not in self.segments else self.segments)

    def stream_address(self, after: int) -> str:
        """The URL of the stream of updates after change ``after`` for this view: of its one segment, or of everyone,
        whose score changes with every answer."""
        segment = self.segments[0] if len(self.segments) == 1 else EVERYBODY
        asked = {"window": self.window, "campaign": self.campaign or ANY_CAMPAIGN, "segment": segment, "after": after}
        return "/v1/stream?" + urlencode(asked, quote_via=quote)
