"""Reading Olist's public files: past orders with what their customers answered, dirt and all.

Times there are local to São Paulo and name no offset. One that never was (clocks went forward) is read with the
offset before the change, one that was twice as the first; so every text has exactly one meaning.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Sao_Paulo")
SCORE_OF_STARS = {1: 0, 2: 2, 3: 5, 4: 8, 5: 10}
"""1–5 stars of satisfaction as 0–10: what comes of it is "derived from order satisfaction", not an NPS as asked."""

FILES = {
    "orders": "olist_orders_dataset.csv",
    "customers": "olist_customers_dataset.csv",
    "items": "olist_order_items_dataset.csv",
    "payments": "olist_order_payments_dataset.csv",
    "products": "olist_products_dataset.csv",
    "reviews": "olist_order_reviews_dataset.csv",
    "categories": "product_category_name_translation.csv",
}


class MissingData(Exception):
    """The folder is not what the replay reads; the message names the file and where it comes from."""


@dataclass(frozen=True, slots=True)
class PastItem:
    product_id: str
    category: str | None
    price: Decimal


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """``after`` is how long after the order's first survey went out this answer was given."""

    review_id: str
    score: int
    comment: str | None
    after: timedelta


@dataclass(frozen=True, slots=True)
class PastOrder:
    """One order as it was; ``customer_id`` is the person, who may have ordered more than once. All times UTC.

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
    promised_at: datetime
    total: Decimal
    items: tuple[PastItem, ...]
    answers: tuple[PastAnswer, ...]


def read_orders(folder: Path) -> list[PastOrder]:
    """Every order of the data set, by the time it was placed. Raises MissingData."""
    people = {row["customer_id"]: row for row in _rows(folder, "customers")}
    items = _items(folder)
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in _rows(folder, "payments"):
        totals[row["order_id"]] += Decimal(row["payment_value"])
    answers = _answers(folder)
    orders = [
        PastOrder(
            order_id=row["order_id"],
            customer_id=people[row["customer_id"]]["customer_unique_id"],
            state=people[row["customer_id"]]["customer_state"],
            status=row["order_status"],
            placed_at=_required(row, "order_purchase_timestamp"),
            paid_at=_moment(row["order_approved_at"]),
            shipped_at=_moment(row["order_delivered_carrier_date"]),
            delivered_at=_moment(row["order_delivered_customer_date"]),
            promised_at=end_of_day(row["order_estimated_delivery_date"]),
            total=totals[row["order_id"]],
            items=tuple(items.get(row["order_id"], ())),
            answers=tuple(answers.get(row["order_id"], ())),
        )
        for row in _rows(folder, "orders")
    ]
    return sorted(orders, key=lambda order: (order.placed_at, order.order_id))


def end_of_day(text: str) -> datetime:
    """The last second of a local day: what was promised for a day has come too late only when the day is over."""
    day = datetime.fromisoformat(text).date()
    return datetime.combine(day, time(23, 59, 59), ZONE).replace(fold=1).astimezone(UTC)


def _items(folder: Path) -> dict[str, list[PastItem]]:
    english = {
        row["product_category_name"]: row["product_category_name_english"] for row in _rows(folder, "categories")
    }
    category_of = {
        row["product_id"]: english.get(row["product_category_name"], row["product_category_name"]) or None
        for row in _rows(folder, "products")
    }
    items: defaultdict[str, list[PastItem]] = defaultdict(list)
    for row in _rows(folder, "items"):
        product = row["product_id"]
        items[row["order_id"]].append(PastItem(product, category_of.get(product), Decimal(row["price"])))
    return items


def _answers(folder: Path) -> dict[str, list[PastAnswer]]:
    """By order: a review id may stand for several orders, and an order may have been answered several times."""
    reviews: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _rows(folder, "reviews"):
        reviews[row["order_id"]].append(row)
    answers = {}
    for order_id, rows in reviews.items():
        asked_at = min(_required(row, "review_creation_date") for row in rows)
        given = [
            PastAnswer(
                review_id=row["review_id"],
                score=SCORE_OF_STARS[int(row["review_score"])],
                comment=_comment(row),
                after=_required(row, "review_answer_timestamp") - asked_at,
            )
            for row in rows
        ]
        answers[order_id] = sorted(given, key=lambda answer: (answer.after, answer.review_id))
    return answers


def _comment(row: dict[str, str]) -> str | None:
    """Title and message as they were written, with their line breaks; None when both are empty."""
    parts = [row["review_comment_title"].strip(), row["review_comment_message"].strip()]
    return "\n".join(part for part in parts if part) or None


def _required(row: dict[str, str], column: str) -> datetime:
    moment = _moment(row[column])
    if moment is None:
        raise MissingData(f"order {row.get('order_id')} has no {column}")
    return moment


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC) if text else None


def _rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    path = folder / FILES[name]
    try:
        # utf-8-sig: one of the files begins with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    except FileNotFoundError as error:
        raise MissingData(
            f"{path} does not exist: name the folder that holds Olist's CSV files "
            '("Brazilian E-Commerce Public Dataset by Olist").'
        ) from error
