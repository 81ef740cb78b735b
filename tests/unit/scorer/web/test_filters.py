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
    assert FILTERS.within("region:RJ") == FILTERS.address(segment=("country:BR", "tier:gold", "region:RJ"))
    assert FILTERS.within("tier:gold") == FILTERS.address()


def test_updates_are_those_of_one_segment_or_of_everybody() -> None:
    def asked(filters: Filters) -> dict[str, list[str]]:
        return parse_qs(urlsplit(filters.stream_address(9)).query)

    one = Filters(window="7d", campaign=None, segments=("country:BR",), by=None)
    assert asked(one) == {"window": ["7d"], "campaign": ["*"], "segment": ["country:BR"], "after": ["9"]}
    assert asked(FILTERS)["segment"] == ["everybody"]
    assert asked(FILTERS)["campaign"] == ["service-nps"]
