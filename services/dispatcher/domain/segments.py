"""The segments of a survey, recorded when it is sent and never taken from the answer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise, product

from services.dispatcher.domain.campaigns import ATTRIBUTE, DIMENSIONS, Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from shared.contracts.types import CONTROL_CHARACTERS, MAX_LABEL, MAX_SEGMENT_VALUES
from shared.last_write_wins import text_of
from shared.moments import earliest

_MAX_PAIRS = 20
_MAX_BANDS = 20

DELIVERIES = ("on_time", "late")
"""The values of the segment ``delivery``."""

Segments = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """``pairs`` such as ("country", "tier"); ``value_bands``: currency (or ``*``) to ascending band limits."""

    pairs: tuple[tuple[str, str], ...] = ()
    value_bands: Mapping[str, tuple[Decimal, ...]] = field(default_factory=dict)


def parse_pairs(written: str) -> tuple[tuple[str, str], ...]:
    """Parses pairs of dimensions, such as ``country+tier,region+category``. Raises ValueError."""
    pairs = []
    for pair in filter(None, (part.strip() for part in written.split(","))):
        one, plus, other = pair.partition("+")
        if not plus or one == other or not {one, other} <= set(DIMENSIONS):
            raise ValueError(f"{pair!r} is not a pair of dimensions; join two of {', '.join(DIMENSIONS)} with +")
        pairs.append((one, other))
    if len(pairs) > _MAX_PAIRS:
        raise ValueError(f"has {len(pairs)} pairs; the maximum is {_MAX_PAIRS}")
    return tuple(pairs)


def parse_value_bands(written: str) -> dict[str, tuple[Decimal, ...]]:
    """Parses ascending limits by currency, such as ``BRL:100,300;*:50``. Raises ValueError."""
    bands = {}
    for entry in filter(None, (part.strip() for part in written.split(";"))):
        currency, colon, limits = entry.partition(":")
        try:
            values = tuple(Decimal(limit.strip()) for limit in limits.split(","))
        except InvalidOperation as error:
            raise ValueError(f"{entry!r} must be a currency and numbers, such as BRL:100,300") from error
        ascending = all(low < high for low, high in pairwise(values))
        if (
            not colon
            or not currency
            or not ascending
            or len(values) > _MAX_BANDS
            or not all(v.is_finite() and v > 0 for v in values)
        ):
            raise ValueError(
                f"{entry!r} must be a currency and up to {_MAX_BANDS} ascending amounts, such as BRL:100,300"
            )
        bands[currency] = values
    return bands


def taken(
    segmentation: Segmentation, campaign: Campaign, customer: Customer, order: Order | None, now: datetime
) -> Segments:
    """Dimension to value, or to values for category. Unknown ones are absent."""
    segments = of_campaign(campaign, of_order(segmentation, customer, order, now))
    for one, other in segmentation.pairs:
        if one in segments and other in segments:
            values = [f"{a}+{b}" for a, b in product(_several(segments[one]), _several(segments[other]))]
            cut = list(dict.fromkeys(value[:MAX_LABEL] for value in values))[:MAX_SEGMENT_VALUES]
            segments[f"{one}+{other}"] = cut[0] if len(cut) == 1 else cut
    return segments


OF_CAMPAIGN = frozenset({"survey_channel", "campaign"})
"""The dimensions that depend on the campaign."""


def of_campaign(campaign: Campaign, segments: Segments) -> Segments:
    """``segments`` of an order with those of the campaign that asks about it."""
    return {**segments, "survey_channel": campaign.channel, "campaign": campaign.id}


def of_order(segmentation: Segmentation, customer: Customer, order: Order | None, now: datetime) -> Segments:
    """The segments that are the same for every campaign, without pairs."""
    found = {name: value_of(segmentation, customer, order, now) for name, value_of in _OF_ORDER.items()}
    return {dimension: value for dimension, value in found.items() if value}


def values_of(
    dimension: str, segmentation: Segmentation, customer: Customer, order: Order | None, now: datetime
) -> Sequence[str]:
    """The values of one dimension that is the same for every campaign, or of an order attribute."""
    if dimension.startswith(ATTRIBUTE):
        value: str | list[str] | None = _attribute(order, dimension.removeprefix(ATTRIBUTE))
    else:
        value = _OF_ORDER[dimension](segmentation, customer, order, now)
    return _several(value) if value else ()


def matches(
    audience: Mapping[str, Iterable[str]], segments: Mapping[str, str | list[str]], order: Order | None
) -> bool:
    """Whether each dimension or order attribute in ``audience`` has one of the accepted values."""
    return next(unmet(audience, segments, order), None) is None


def unmet(
    audience: Mapping[str, Iterable[str]], segments: Mapping[str, str | list[str]], order: Order | None
) -> Iterator[tuple[str, list[str]]]:
    """The dimensions that have none of the accepted values, each with those it has."""
    for dimension, wanted in audience.items():
        if dimension.startswith(ATTRIBUTE):
            value = _attribute(order, dimension.removeprefix(ATTRIBUTE))
            values = [] if value is None else [value]
        else:
            values = _several(segments.get(dimension, []))
        if not set(wanted) & set(values):
            yield dimension, values


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


_ValueOf = Callable[[Segmentation, Customer, Order | None, datetime], str | list[str] | None]

_OF_ORDER: Mapping[str, _ValueOf] = {
    "country": lambda _segmentation, customer, order, _now: _either("country", order, customer),
    "region": lambda _segmentation, customer, order, _now: _either("region", order, customer),
    "category": lambda _segmentation, _customer, order, _now: _categories(order),
    "tier": lambda _segmentation, customer, order, _now: _either("tier", order, customer),
    "cohort": lambda _segmentation, customer, _order, _now: _cohort(customer),
    "order_value": lambda segmentation, _customer, order, _now: None if order is None else _band(segmentation, order),
    "sales_channel": lambda _segmentation, _customer, order, _now: (
        None if order is None else text_of(order.details, "sales_channel")
    ),
    "experiment": lambda _segmentation, _customer, order, _now: _attribute(order, "experiment"),
    "delivery": lambda _segmentation, _customer, order, now: None if order is None else _delivery(order, now),
}


assert {*_OF_ORDER, *OF_CAMPAIGN} == set(DIMENSIONS), "a dimension is missing here, or in campaigns.DIMENSIONS"


def _either(name: str, order: Order | None, customer: Customer) -> str | None:
    """The order's own value, or else the customer's."""
    of_order = None if order is None else text_of(order.details, name)
    return of_order or customer.detail(name)


def _categories(order: Order | None) -> str | list[str] | None:
    known = None if order is None else order.details.get("categories")
    if known is None or not isinstance(known[1], list):
        return None
    return known[1] if len(known[1]) > 1 else known[1][0]


def _cohort(customer: Customer) -> str | None:
    """The month (UTC) of the first order."""
    first = earliest(customer.since, customer.first_event_at)
    return None if first is None else f"{first:%Y-%m}"


def _attribute(order: Order | None, name: str) -> str | None:
    known = None if order is None else order.details.get("attributes")
    if known is None or not isinstance(known[1], dict):
        return None
    return CONTROL_CHARACTERS.sub(" ", known[1].get(name, "")).strip()[:MAX_LABEL] or None


def _band(segmentation: Segmentation, order: Order) -> str | None:
    """Such as ``BRL 100-300``, from the lower limit up to below the upper one."""
    amount, currency = text_of(order.details, "amount"), text_of(order.details, "currency")
    if amount is None or currency is None:
        return None
    bands = bands_of(segmentation, currency)
    return bands[sum(limit <= Decimal(amount) for limit in _limits(segmentation, currency))] if bands else None


def bands_of(segmentation: Segmentation, currency: str) -> tuple[str, ...]:
    """The segments of order value in a currency, from the lowest; empty when it has no limits."""
    limits = _limits(segmentation, currency)
    if not limits:
        return ()
    between = (f"{currency} {low}-{high}" for low, high in pairwise(limits))
    return (f"{currency} under {limits[0]}", *between, f"{currency} {limits[-1]} and more")


def _limits(segmentation: Segmentation, currency: str) -> tuple[Decimal, ...]:
    return segmentation.value_bands.get(currency, segmentation.value_bands.get("*", ()))


def _delivery(order: Order, now: datetime) -> str | None:
    promised, delivered = order.promised_at, order.facts.delivered_at
    if promised is None:
        return None
    if delivered is None:
        return "late" if now > promised else None
    return "on_time" if delivered <= promised else "late"
