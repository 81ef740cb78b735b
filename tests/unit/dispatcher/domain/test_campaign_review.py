"""What is told about a definition before it comes into force."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.dispatcher.domain.campaign_review import mistakes, warnings
from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.settings import SHIPPED_CAMPAIGNS, read_campaigns

SEGMENTATION = Segmentation(value_bands={"NOK": (Decimal(500),), "*": (Decimal(50), Decimal(100))})
QUIET = timedelta(days=90)


def campaign(name: str = "a", **fields: object) -> Campaign:
    return Campaign.model_validate({"id": name, "trigger": {"after": "order.placed"}, **fields})


@pytest.mark.parametrize(
    ("audience", "told"),
    [
        ({"country": ["BR", "South Korea"]}, None),
        ({"country": "no"}, "write 'NO'"),
        ({"order_value": ["NOK under 500", "EUR 100 and more"]}, None),
        ({"order_value": "NOK 50-100"}, "'NOK under 500', 'NOK 500 and more'"),
        ({"order_value": "over 100 EUR"}, "'EUR 50-100'"),
        ({"cohort": "2026-13"}, "'2026-11'"),
        ({"campaign": "b"}, "possible are a"),
        ({"survey_channel": "sms"}, "possible are email"),
        ({"attributes.vip": "anything", "tier": "whatever"}, None),
    ],
)
def test_values_that_match_nothing(audience: dict[str, object], told: str | None) -> None:
    found = mistakes(campaign(audience=audience), SEGMENTATION)
    assert (found == []) if told is None else (len(found) == 1 and told in found[0])


def test_the_shipped_campaigns_have_no_mistakes_and_do_not_forestall_each_other() -> None:
    shipped = read_campaigns(SHIPPED_CAMPAIGNS)
    for each in shipped:
        assert mistakes(each, SEGMENTATION) == warnings(each, shipped, quiet_period=QUIET) == []


LATE = {"trigger": {"after": "order.placed", "delay": "40 days"}}


@pytest.mark.parametrize(
    ("early", "late", "forestalled"),
    [
        ({}, LATE, True),
        ({}, {**LATE, "quiet_period": "50 days"}, False),
        ({}, {**LATE, "valid_for": "50 days"}, False),
        ({}, {**LATE, "quiet_period": "54 days"}, False),
        ({}, {"trigger": {"after": "order.delivered", "delay": "40 days"}}, False),
        ({"active": False}, LATE, False),
        ({"audience": {"country": "BR"}}, LATE, False),
        ({"audience": {"country": ["BR", "NO"]}}, {**LATE, "audience": {"country": "BR", "tier": "gold"}}, True),
        ({"stop_on": ["order.cancelled"]}, {**LATE, "stop_on": []}, False),
        ({"pair_with": "late"}, {**LATE, "pair_with": "early"}, False),
        ({"look_ahead": "40 days"}, {**LATE, "priority": 1}, False),
        ({"look_ahead": "40 days"}, LATE, True),
    ],
)
def test_a_campaign_that_another_always_forestalls(
    early: dict[str, object], late: dict[str, object], forestalled: bool
) -> None:
    first, second = campaign("early", **early), campaign("late", **late)
    for one, other in ((first, second), (second, first)):
        told = warnings(one, [other], quiet_period=QUIET)
        assert bool(told) is forestalled
        assert all(sentence.startswith("late will ask nobody: early") for sentence in told)
