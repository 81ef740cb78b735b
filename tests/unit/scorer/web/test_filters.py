"""The dashboard's address and the addresses of its links."""

from urllib.parse import parse_qs, urlsplit

from services.scorer.web.filters import Filters

FILTERS = Filters(window="30d", campaign="service-nps", segments=("country:BR", "tier:gold"), by=None)


def test_the_address_keeps_the_filters_but_for_what_is_changed() -> None:
    asked = parse_qs(urlsplit(FILTERS.address(window="7d", by="tier")).query)
    assert asked == {
        "window": ["7d"],
        "campaign": ["service-nps"],
        "segment": ["country:BR", "tier:gold"],
        "by": ["tier"],
    }


def test_a_segment_is_added_once_and_taken_away() -> None:
    assert FILTERS.without("country:BR") == FILTERS.address(segment=("tier:gold",))
    more, same = FILTERS.within(["region:R & J", "tier:gold"])
    asked = parse_qs(urlsplit(more).query)
    assert sorted(asked.pop("segment")) == ["country:BR", "region:R & J", "tier:gold"]
    assert asked == {"window": ["30d"], "campaign": ["service-nps"]}
    assert same == FILTERS.address()


def test_another_page_keeps_what_was_searched_for_and_another_filter_does_not() -> None:
    searched = Filters(window="30d", campaign=None, segments=(), by="city", find="São", page=3)
    assert parse_qs(urlsplit(searched.on_page(4)).query) == {
        "window": ["30d"], "by": ["city"], "find": ["São"], "page": ["4"],
    }  # fmt: skip
    assert "page" not in searched.on_page(1)
    assert parse_qs(urlsplit(searched.address(window="7d")).query) == {"window": ["7d"], "by": ["city"]}


def test_updates_are_those_of_one_segment_or_of_everybody() -> None:
    def asked(filters: Filters) -> dict[str, list[str]]:
        return parse_qs(urlsplit(filters.stream_address(9)).query)

    one = Filters(window="7d", campaign=None, segments=("country:BR",), by=None)
    assert asked(one) == {"window": ["7d"], "campaign": ["*"], "segment": ["country:BR"], "after": ["9"]}
    assert asked(FILTERS)["segment"] == ["everybody"]
    assert asked(FILTERS)["campaign"] == ["service-nps"]
