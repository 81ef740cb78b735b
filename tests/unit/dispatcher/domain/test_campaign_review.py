"""What is told about a definition before it comes into force."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.campaign_review import mistakes, warnings
from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.policy.situation import PastSend, Situation
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.settings import SHIPPED_CAMPAIGNS, read_campaigns
from tests.unit.dispatcher.domain.policy.kit import ANA, NOW, policy_of, timer

SEGMENTATION = Segmentation(value_bands={"NOK": (Decimal(500),), "*": (Decimal(50), Decimal(100))})
QUIET = timedelta(days=90)


def campaign(name: str = "a", **fields: object) -> Campaign:
    return Campaign.model_validate({"id": name, "trigger": {"after": "order.placed"}, **fields})


@pytest.mark.parametrize(
    ("audience", "told"),
    [
        ({"country": ["BR", "South Korea"]}, None),
        ({"country": "no"}, "write 'NO'"),
        ({"region": "Sa\u0303o Paulo"}, None),
        ({"tier": "gold "}, "write 'gold'"),
        ({"attributes.vip": " yes"}, "write 'yes'"),
        ({"tier": " "}, "is blank"),
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


@pytest.mark.parametrize("locale", ["pt", "pt-BR", "pt_BR", "zh-Hant", "de", "gsw"])
def test_a_text_may_be_in_any_language(locale: str) -> None:
    assert mistakes(campaign(default_locale=locale, texts={locale: {"question": "?"}}), SEGMENTATION) == []


@pytest.mark.parametrize("locale", ["portuguese", "Português", "p", "pt,en", "pt-"])
def test_a_text_under_what_is_no_language_would_never_be_shown(locale: str) -> None:
    told_of_texts, *others = mistakes(campaign(texts={locale: {"question": "?"}}), SEGMENTATION)
    assert told_of_texts.startswith(f"texts.{locale}: ") and "'pt-BR'" in told_of_texts and not others
    (told_of_default,) = mistakes(campaign(default_locale=locale), SEGMENTATION)
    assert told_of_default.startswith("default_locale: ")


@pytest.mark.parametrize(
    ("default_locale", "texts", "told"),
    [
        ("de", {"pt": {"question": "?"}}, "a question in pt, but none for default_locale, 'de'"),
        ("en", {"pt": {"question": "?"}, "nb": {"question": "?"}}, "a question in nb, pt, but none for"),
        ("en", {"pt": {"question": "?"}, "en": {"subject": "!"}}, "none for default_locale, 'en'"),
        ("de", {"de": {"question": "?"}}, None),
        ("pt-PT", {"pt-BR": {"question": "?"}}, None),
        ("pt", {"pt": {"question": "?"}, "en": {"subject": "!"}}, None),
        ("en", {"pt": {"subject": "!"}}, None),
        ("en", {}, None),
    ],
)
def test_a_question_that_is_missing_in_the_default_language(
    default_locale: str, texts: dict[str, object], told: str | None
) -> None:
    found = warnings(campaign(default_locale=default_locale, texts=texts), [], quiet_period=QUIET)
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


@pytest.mark.parametrize(
    ("less_important", "important", "aside"),
    [
        ({}, {}, True),
        ({"look_ahead": "2 days"}, {}, False),
        ({}, {"quiet_period": "3 days"}, False),
        ({"valid_for": "93 days"}, {}, False),
        ({"valid_for": "2 days", "quiet_period": "0 days"}, {}, True),
        ({"quiet_period": "10 days"}, {}, False),
        ({}, {"audience": {"tier": "gold"}}, False),
        ({"audience": {"tier": "gold"}}, {}, True),
        ({}, {"stop_on": ["order.cancelled", "order.refunded", "order.returned"]}, True),
        ({"stop_on": []}, {}, False),
        ({"pair_with": "important"}, {"pair_with": "less-important"}, False),
        ({}, {"active": False}, False),
    ],
)
def test_a_campaign_that_always_stands_aside_for_a_more_important_one(
    less_important: dict[str, object], important: dict[str, object], aside: bool
) -> None:
    first = campaign("less-important", priority=20, **less_important)
    trigger = {"after": "order.placed", "delay": "3 days"}
    second = campaign("important", priority=1, trigger=trigger, **{"valid_for": "100 days", **important})
    for one, other in ((first, second), (second, first)):
        told = warnings(one, [other], quiet_period=QUIET)
        assert bool(told) is aside
        assert all(
            sentence.startswith("less-important will ask nobody: it stands aside for important") for sentence in told
        )


_DAYS = st.integers(0, 60)
_CAMPAIGN = st.fixed_dictionaries(
    {"delay": _DAYS, "quiet_period": _DAYS, "valid_for": _DAYS, "look_ahead": _DAYS, "priority": st.integers(1, 2)}
)


@given(_CAMPAIGN, _CAMPAIGN)
def test_who_is_warned_to_ask_nobody_is_never_sent_by_the_rules(one: dict[str, int], other: dict[str, int]) -> None:
    """And whoever is never sent, of two due at different moments, is warned of."""
    both = [_in_days("one", **one), _in_days("other", **other)]
    told = {sentence.split()[0] for sentence in warnings(both[0], [both[1]], quiet_period=QUIET)}
    sent = _sent(both)
    assert not told & sent
    if one["delay"] != other["delay"]:
        assert told == {"one", "other"} - sent


def _in_days(name: str, *, delay: int, priority: int, **days: int) -> Campaign:
    trigger = {"after": "order.placed", "delay": f"{delay} days"}
    return campaign(name, trigger=trigger, priority=priority, **{field: f"{each} days" for field, each in days.items()})


def _sent(campaigns: list[Campaign]) -> set[str]:
    """Which of them ask about an order of somebody who was never asked before."""
    policy, history = policy_of(*campaigns), list[PastSend]()
    pending = {each.id: timer(each.id, check=NOW + each.trigger[0].delay) for each in campaigns}
    while pending:
        now = min(each.check_at for each in pending.values())
        situation = Situation(
            customer=ANA,
            due=[each for each in pending.values() if each.check_at == now],
            upcoming=[each for each in pending.values() if each.check_at > now],
            orders={},
            history=history,
        )
        for verdict in policy.decide(situation, now):
            waiting = pending.pop(verdict.timer.campaign)
            if verdict.outcome == "deferred":
                assert verdict.until is not None
                pending[waiting.campaign] = replace(waiting, check_at=verdict.until)
            elif verdict.outcome == "sent":
                history.append(PastSend(campaign=waiting.campaign, order_id=waiting.order_id, sent_at=now))
    return {past.campaign for past in history}


def test_half_a_pair_is_told_until_both_name_each_other() -> None:
    late = campaign(id="late", pair_with="early")
    assert "there is no such campaign" in "".join(warnings(late, [], quiet_period=QUIET))
    told = warnings(late, [campaign(id="early")], quiet_period=QUIET)
    assert any("does not name this one" in each for each in told)
    told = warnings(late, [campaign(id="early", pair_with="late")], quiet_period=QUIET)
    assert not any("pair_with" in each for each in told)
