"""What is wrong with a campaign although it can be read: what can match or fill nothing, and who always goes first.

Applied where a definition comes in, from a file or over HTTP. Definitions that are in force already are still read.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.dispatcher.domain.campaigns import ATTRIBUTE, Campaign, Trigger, are_pair
from services.dispatcher.domain.durations import write
from services.dispatcher.domain.segments import DELIVERIES, Segmentation, bands_of
from shared.locales import resolve
from shared.segment_values import value_as_recorded
from shared.texts.placeholders import PLACEHOLDERS
from shared.texts.words import own_text

_BRACES = re.compile(r"\{[^{}]*\}")
_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_.@][A-Za-z0-9]+)*")
_COHORT = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Possible:
    """The values a dimension can have: all of ``values``, or, if those are None, any ``described`` as such."""

    described: str
    values: tuple[str, ...] | None = None
    examples: tuple[str, ...] = ()


_OF_ORDER = Possible("as the shop sends it")


def possible_values(campaign: Campaign | None, segmentation: Segmentation) -> dict[str, Possible]:
    """By dimension. ``campaign`` None: of any campaign."""
    bands = tuple(
        band for currency in segmentation.value_bands for band in bands_of(segmentation, _example_of(currency))
    )
    return {
        "country": Possible("a code of ISO 3166-1 in capitals, or the name the shop sends", None, ("BR", "NO", "KR")),
        "region": Possible("as the shop sends it", None, ("SP",)),
        "category": Possible("as the shop sends it, one of the order's", None, ("toys",)),
        "tier": Possible("as the shop sends it", None, ("gold",)),
        "cohort": Possible("the month of the customer's first order", None, ("2026-11",)),
        "order_value": Possible("a currency and one of its bands (HEARBACK_ORDER_VALUE_BANDS)", None, bands),
        "sales_channel": Possible("as the shop sends it in channel", None, ("web", "app")),
        "survey_channel": Possible("how the survey is sent", ("email",)),
        "campaign": Possible("the campaign's own id", None if campaign is None else (campaign.id,)),
        "experiment": Possible("the order's attribute experiment", None, ("A", "B")),
        "delivery": Possible("against the promised time", DELIVERIES),
    }


def mistakes(campaign: Campaign, segmentation: Segmentation) -> list[str]:
    """A sentence for each value or locale that can match nothing and each placeholder that fills nothing."""
    possible = possible_values(campaign, segmentation)
    found = []
    for dimension, accepted in campaign.audience.items():
        known = _OF_ORDER if dimension.startswith(ATTRIBUTE) else possible[dimension]
        problems = {value: _mismatch(dimension, value, known, segmentation) for value in accepted}
        found += [f"audience.{dimension} is {value!r}: {problem}" for value, problem in problems.items() if problem]
    for where, locale in (
        ("default_locale", campaign.default_locale),
        *((f"texts.{key}", key) for key in campaign.texts),
    ):
        if not _LOCALE.fullmatch(locale.strip()):
            found.append(f"{where}: {locale!r} is no locale; write the language by its code, such as 'pt' or 'pt-BR'")
    for locale, texts in campaign.texts.items():
        for field, text in texts.model_dump(exclude_none=True).items():
            unknown = [name for name in _BRACES.findall(text) if name not in PLACEHOLDERS]
            if unknown:
                found.append(f"texts.{locale}.{field} has {unknown[0]}: possible are {', '.join(PLACEHOLDERS)}")
    return found


def _mismatch(dimension: str, value: str, possible: Possible, segmentation: Segmentation) -> str | None:
    if possible.values is not None:
        return None if value in possible.values else f"possible are {', '.join(possible.values)}"
    if value != (recorded := value_as_recorded(dimension, value)):
        return "is blank" if recorded is None else f"write {recorded!r}, as it is recorded"
    if dimension == "cohort" and not _COHORT.fullmatch(value):
        return "write a year and a month, such as '2026-11'"
    if dimension == "order_value":
        bands = bands_of(segmentation, value[:3]) if re.match(r"[A-Z]{3} ", value) else ()
        if value not in bands:
            written = ", ".join(repr(band) for band in bands or bands_of(segmentation, _guess(value)))
            return f"possible are {written or 'none, because HEARBACK_ORDER_VALUE_BANDS has none for it'}"
    return None


def _guess(value: str) -> str:
    """The currency meant by a band that is written otherwise."""
    code = re.search(r"\b[A-Z]{3}\b", value)
    return code[0] if code else "EUR"


def _example_of(currency: str) -> str:
    return "BRL" if currency == "*" else currency


def warnings(campaign: Campaign, others: Iterable[Campaign], *, quiet_period: timedelta) -> list[str]:
    """A sentence for each campaign that always asks first or has the higher priority, or of which that is true the
    other way round, for a default language in which the campaign's own question is missing, and for half a pair.

    ``quiet_period`` is the setting's. Only those about the same orders can be compared beforehand.
    """
    everybody = sorted(others, key=lambda each: each.id)
    found = [*_without_question(campaign), *_half_a_pair(campaign, everybody)]
    for other in everybody:
        if other.id == campaign.id or not (campaign.active and other.active):
            continue
        if _always_forestalls(other, campaign, quiet_period):
            found.append(_told(other, campaign, quiet_period))
        elif _always_forestalls(campaign, other, quiet_period):
            found.append(_told(campaign, other, quiet_period))
        elif _always_stands_aside(campaign, other, quiet_period):
            found.append(_told_aside(campaign, other, quiet_period))
        elif _always_stands_aside(other, campaign, quiet_period):
            found.append(_told_aside(other, campaign, quiet_period))
    return found


def _without_question(campaign: Campaign) -> list[str]:
    """Customers of no known language would be asked Hearback's question, others the campaign's: as a rule, a slip."""
    asked_in = sorted(locale for locale, texts in campaign.texts.items() if texts.question)
    default = campaign.default_locale
    language = resolve(default)
    if not asked_in or own_text(campaign.texts, "question", language=language, locale=default):
        return []
    problem = (
        f"texts has a question in {', '.join(asked_in)}, but none for default_locale, {default!r}: customers whose "
        f"language is not known will be asked Hearback's own question, in {language!r}; add texts.{default}.question, "
        "or change default_locale"
    )
    return [problem]


def _half_a_pair(campaign: Campaign, others: Iterable[Campaign]) -> list[str]:
    """One of two has to be stored first, so this is no error; but it may be a slip, and the pair never work."""
    if campaign.pair_with is None:
        return []
    other = next((each for each in others if each.id == campaign.pair_with), None)
    if other is None:
        wrong = "there is no such campaign (yet)"
    elif other.pair_with != campaign.id:
        wrong = "that campaign does not name this one (yet)"
    else:
        return []
    problem = (
        f"pair_with is {campaign.pair_with!r}, and {wrong}: until both name each other, the two are no pair, and the "
        "quiet period keeps the later survey back"
    )
    return [problem]


def _told(first: Campaign, late: Campaign, default: timedelta) -> str:
    quiet = write(late.quiet_for(default))
    at_once = set(first.trigger) >= set(late.trigger)
    by_priority = f", by its priority ({first.priority} before {late.priority})" if at_once else ""
    return (
        f"{late.id} will ask nobody: {first.id} asks about the same orders before it{by_priority}, so that "
        f"{late.id} would have to wait for its quiet_period of {quiet}, and by then its valid_for is over; shorten its "
        "quiet_period, make its valid_for longer, or make the two a pair (pair_with)"
    )


def _told_aside(campaign: Campaign, important: Campaign, default: timedelta) -> str:
    quiet = write(campaign.quiet_for(default))
    return (
        f"{campaign.id} will ask nobody: it stands aside for {important.id}, which asks about the same orders, is due "
        f"within its look_ahead and has the higher priority ({important.priority} before {campaign.priority}); by the "
        f"time it may ask, after its quiet_period of {quiet}, its valid_for is over; give it the higher priority, "
        "shorten its look_ahead or its quiet_period, make its valid_for longer, or make the two a pair (pair_with)"
    )


def _always_stands_aside(campaign: Campaign, important: Campaign, default: timedelta) -> bool:
    """Whether ``campaign``, due earlier, makes way for ``important`` with every order (``policy.stands_aside``), and
    cannot ask afterwards."""
    if campaign.priority <= important.priority or not _asks_wherever(important, campaign):
        return False
    # Of several triggers the first one counts, and which one that will be is not known.
    if len(important.trigger) != 1:
        return False
    (later,) = important.trigger
    quiet, others_quiet = campaign.quiet_for(default), important.quiet_for(default)
    return bool(campaign.trigger) and all(
        trigger.after == later.after
        and timedelta(0) < (gap := later.delay - trigger.delay) <= campaign.look_ahead
        and gap < others_quiet
        and gap + quiet > campaign.valid_for
        for trigger in campaign.trigger
    )


def _asks_wherever(wide: Campaign, narrow: Campaign) -> bool:
    """Whether ``wide`` asks about every order that ``narrow`` would ask about, and the two are no pair."""
    covered = _covers(wide.audience, narrow.audience) and set(wide.stop_on) <= set(narrow.stop_on)
    return covered and not are_pair(wide, narrow)


def _always_forestalls(first: Campaign, late: Campaign, default: timedelta) -> bool:
    """Whether ``first`` asks about every order that ``late`` would ask about, so early that ``late`` never can."""
    if not _asks_wherever(first, late):
        return False
    quiet = late.quiet_for(default)
    return bool(late.trigger) and all(
        any(_forestalls(early, trigger, first, late, quiet) for early in first.trigger) for trigger in late.trigger
    )


def _forestalls(early: Trigger, trigger: Trigger, first: Campaign, late: Campaign, quiet: timedelta) -> bool:
    gap = trigger.delay - early.delay
    if early.after != trigger.after or gap < timedelta(0):
        return False
    if gap == timedelta(0) and late.priority == first.priority:
        return False  # either may go first
    if late.priority < first.priority and gap <= first.look_ahead:
        return False  # the less important one stands aside
    return quiet > gap + late.valid_for


def _covers(wide: Mapping[str, tuple[str, ...]], narrow: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether everybody in the ``narrow`` audience is in the ``wide`` one."""
    return all(dimension in narrow and set(narrow[dimension]) <= set(accepted) for dimension, accepted in wide.items())
