"""The dashboard's address and the addresses of its links."""

from urllib.parse import parse_qs, urlsplit

from services.scorer.web.view import View

VIEW = View(window="30d", campaign="service-nps", segments=("country:BR", "tier:gold"), by=None)


def test_the_address_keeps_the_filters_but_for_what_is_changed() -> None:
    asked = parse_qs(urlsplit(VIEW.address(window="7d", by="tier")).query)
    assert asked == {
        "window": ["7d"],
        "campaign": ["service-nps"],
        "segment": ["country:BR", "tier:gold"],
        "by": ["tier"],
    }


def test_a_segment_is_added_once_and_taken_away() -> None:
    assert VIEW.without("country:BR") == VIEW.address(segment=("tier:gold",))
    assert VIEW.within("region:RJ") == VIEW.address(segment=("country:BR", "tier:gold", "region:RJ"))
    assert VIEW.within("tier:gold") == VIEW.address()


def test_updates_are_those_of_one_segment_or_of_everybody() -> None:
    def asked(view: View) -> dict[str, list[str]]:
        return parse_qs(urlsplit(view.stream_address(9)).query)

    one = View(window="7d", campaign=None, segments=("country:BR",), by=None)
    assert asked(one) == {"window": ["7d"], "campaign": ["*"], "segment": ["country:BR"], "after": ["9"]}
    assert asked(VIEW)["segment"] == ["everybody"]
    assert asked(VIEW)["campaign"] == ["service-nps"]
