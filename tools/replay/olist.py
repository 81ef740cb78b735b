"""Reads Olist's public files: past orders and their customers' answers, including malformed rows.

Timestamps are local to São Paulo, without an offset. A nonexistent local time (when clocks went forward) is read with
the offset before the change, an ambiguous one as the first; so every timestamp has exactly one meaning. Rows that
cannot be replayed, such as answers about unknown orders, are left out and counted.
"""

from collections import Counter, defaultdict
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from tools.replay.files import InvalidDataSet, rows

ZONE = ZoneInfo("America/Sao_Paulo")
SCORE_OF_STARS = {1: 0, 2: 2, 3: 5, 4: 8, 5: 10}
"""1–5 stars mapped to 0–10. The result is "derived from order satisfaction"; it is not a surveyed NPS."""

UNKNOWN_STATE = "unknown"

# The limits of the contracts of order events and answers.
_EARLIEST, _TOO_LATE = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_AMOUNT_LIMIT = Decimal(10) ** 15
_CENT = Decimal("0.01")
_MAX_LABEL_LENGTH = 100
_MAX_COMMENT_LENGTH = 5_000
_MAX_ITEMS = 500

MAX_TIME_TO_ANSWER = timedelta(days=3_600)
"""The replay campaign's links expire soon after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastItem:
    product_id: str
    category: str | None
    price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAnswer:
    """``after`` is the time from the order's first survey to this answer, never negative."""

    review_id: str
    score: int
    comment: str | None
    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOrder:
    """An order from the files; ``customer_id`` is the person, who may have several orders. All times are UTC.

    ``promised_at`` is the last second of the day the shop promised; ``answers`` are in the order they were given.
    """

    order_id: str
    customer_id: str
    state: str
    status: str
    placed_at: datetime
    paid_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    promised_at: datetime | None
    total: Decimal | None
    items: tuple[PastItem, ...]
    answers: tuple[PastAnswer, ...]

    @property
    def known_at(self) -> datetime:
        """The earliest time of the order: the files date some deliveries before the order."""
        return min(self._moments())

    @property
    def last_known_at(self) -> datetime:
        """The latest time of the order."""
        return max(self._moments())

    def _moments(self) -> list[datetime]:
        moments = (self.placed_at, self.paid_at, self.shipped_at, self.delivered_at)
        return [moment for moment in moments if moment is not None]


@dataclass(frozen=True, slots=True)
class DataSet:
    """The orders that can be replayed, by the time they were placed; ``left_out`` counts skipped rows by reason."""

    orders: list[PastOrder]
    left_out: Counter[str]


def read_data_set(folder: Path) -> DataSet:
    """Reads the data set. Of several rows of one order or customer the last counts. Raises InvalidDataSet."""
    left_out: Counter[str] = Counter()
    people = {row["customer_id"]: row for row in rows(folder, "customers") if row["customer_unique_id"]}
    replayable: dict[str, tuple[datetime, dict[str, str]]] = {}
    for row in rows(folder, "orders"):
        if not row["order_id"] or row["customer_id"] not in people:
            left_out["orders of unknown customers"] += 1
        elif (placed_at := _moment(row["order_purchase_timestamp"])) is None:
            left_out["orders without a purchase time"] += 1
        else:
            replayable[row["order_id"]] = (placed_at, row)
    if not replayable:
        raise InvalidDataSet(f"{folder} holds no order that can be replayed.")
    items = _items(folder)
    totals = _totals(folder)
    answers = _answers(folder, replayable, left_out)
    orders = [
        PastOrder(
            order_id=order_id,
            customer_id=people[row["customer_id"]]["customer_unique_id"],
            state=_label(people[row["customer_id"]]["customer_state"]) or UNKNOWN_STATE,
            status=row["order_status"],
            placed_at=placed_at,
            paid_at=_moment(row["order_approved_at"]),
            shipped_at=_moment(row["order_delivered_carrier_date"]),
            delivered_at=_moment(row["order_delivered_customer_date"]),
            promised_at=end_of_day(row["order_estimated_delivery_date"]),
            total=totals.get(order_id),
            items=tuple(items.get(order_id, ())[:_MAX_ITEMS]),
            answers=tuple(answers.get(order_id, ())),
        )
        for order_id, (placed_at, row) in replayable.items()
    ]
    return DataSet(sorted(orders, key=lambda order: (order.placed_at, order.order_id)), left_out)


def end_of_day(text: str) -> datetime | None:
    """The last second of a local day: an order promised for a day is late only after that day."""
    moment = _moment(text)
    if moment is None:
        return None
    day = datetime.fromisoformat(text).date()
    return _within_range(datetime.combine(day, time(23, 59, 59), ZONE).replace(fold=1))


def _items(folder: Path) -> dict[str, list[PastItem]]:
    english = {row["product_category_name"]: row["product_category_name_english"] for row in rows(folder, "categories")}
    category_of = {
        row["product_id"]: _label(english.get(row["product_category_name"], row["product_category_name"]))
        for row in rows(folder, "products")
    }
    items: defaultdict[str, list[PastItem]] = defaultdict(list)
    for row in rows(folder, "items"):
        product = row["product_id"]
        items[row["order_id"]].append(
            PastItem(product_id=product, category=category_of.get(product), price=_amount(row["price"]))
        )
    return items


def _totals(folder: Path) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for row in rows(folder, "payments"):
        if (amount := _amount(row["payment_value"])) is not None:
            totals[row["order_id"]] = totals.get(row["order_id"], Decimal()) + amount
    return totals


def _answers(folder: Path, order_ids: Container[str], left_out: Counter[str]) -> dict[str, list[PastAnswer]]:
    """Answers by order. One review id may cover several orders, and an order may have several answers."""
    given: defaultdict[str, list[tuple[datetime, datetime, int, dict[str, str]]]] = defaultdict(list)
    for row in rows(folder, "reviews"):
        asked_at, given_at = _moment(row["review_creation_date"]), _moment(row["review_answer_timestamp"])
        score = _score(row["review_score"])
        if row["order_id"] not in order_ids:
            left_out["answers about unknown orders"] += 1
        elif score is None:
            left_out["answers without a score from 1 to 5"] += 1
        elif asked_at is None or given_at is None:
            left_out["answers without the times of survey and answer"] += 1
        else:
            given[row["order_id"]].append((given_at, asked_at, score, row))
    answers: dict[str, list[PastAnswer]] = {}
    for order_id, of_order in given.items():
        first_asked_at = min(asked_at for _, asked_at, _, _ in of_order)
        answers[order_id] = []
        for given_at, _, score, row in sorted(of_order, key=lambda one: (one[0], one[3]["review_id"])):
            # An answer dated before its survey is given as soon as the survey has arrived.
            after = max(timedelta(0), given_at - first_asked_at)
            if after > MAX_TIME_TO_ANSWER:
                left_out["answers given after their link had expired"] += 1
            else:
                answers[order_id].append(
                    PastAnswer(review_id=row["review_id"], score=score, comment=_comment(row), after=after)
                )
    return answers


def _score(text: str) -> int | None:
    stars = _number(text)
    return SCORE_OF_STARS.get(int(stars)) if stars is not None and stars == int(stars) else None


def _comment(row: dict[str, str]) -> str | None:
    """Title and message with their line breaks; None when both are empty."""
    parts = [row[column].replace("\x00", "").strip() for column in ("review_comment_title", "review_comment_message")]
    return "\n".join(part for part in parts if part)[:_MAX_COMMENT_LENGTH] or None


def _label(text: str) -> str | None:
    """One line without control characters, cut to the maximum length of a segment."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_MAX_LABEL_LENGTH] or None


def _amount(text: str) -> Decimal | None:
    number = _number(text)
    return None if number is None else number.quantize(_CENT)


def _number(text: str) -> Decimal | None:
    """None for anything but a number, and for an implausibly large one."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < _AMOUNT_LIMIT else None


def _moment(text: str) -> datetime | None:
    """None for anything but a timestamp, and for placeholders such as the year 9999."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _within_range(moment if moment.tzinfo else moment.replace(tzinfo=ZONE))


def _within_range(moment: datetime) -> datetime | None:
    try:
        instant = moment.astimezone(UTC)
    except OverflowError:
        return None
    return instant if _EARLIEST <= instant < _TOO_LATE else None
