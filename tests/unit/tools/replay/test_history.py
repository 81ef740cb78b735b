"""Past orders as events: dirty input, one meaning each."""

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.contracts.orders import OrderEvent
from shared.nps import Counts
from tools.replay.files import FILES, MissingData
from tools.replay.history import cancelled_at, events_of
from tools.replay.olist import Past, PastOrder, end_of_day, read_past
from tools.replay.oracle import Steps, asked, counts_by, total

REAL_DATA = Path(__file__).parents[5] / "shared" / "data" / "olist"
needs_real_data = pytest.mark.skipif(not REAL_DATA.exists(), reason=f"the Olist files are not in {REAL_DATA}")

ORDER = {
    "order_id": "o1", "customer_id": "account-1", "order_status": "delivered",
    "order_purchase_timestamp": "2018-01-01 10:00:00", "order_approved_at": "2018-01-01 10:05:00",
    "order_delivered_carrier_date": "2018-01-02 09:00:00",
    "order_delivered_customer_date": "2018-01-05 18:00:00",
    "order_estimated_delivery_date": "2018-01-20 00:00:00",
}  # fmt: skip
REVIEW = {
    "review_id": "r1", "order_id": "o1", "review_score": "5", "review_comment_title": "",
    "review_comment_message": "", "review_creation_date": "2018-01-06 00:00:00",
    "review_answer_timestamp": "2018-01-07 12:00:00",
}  # fmt: skip


Rows = list[dict[str, str]]
ONE_ORDER: dict[str, Rows] = {
    "orders": [ORDER],
    "customers": [{"customer_id": "account-1", "customer_unique_id": "person-1", "customer_state": "SP"}],
    "items": [{"order_id": "o1", "product_id": "p1", "price": "99.9"}],
    "payments": [{"order_id": "o1", "payment_value": "60.10"}, {"order_id": "o1", "payment_value": "49.90"}],
    "products": [{"product_id": "p1", "product_category_name": "bebes"}],
    "categories": [{"product_category_name": "bebes", "product_category_name_english": "baby"}],
    "reviews": [REVIEW],
}


def written(folder: Path, **tables: Rows) -> Path:
    """A data set of one order, but for these tables."""
    for name, usual in ONE_ORDER.items():
        with (folder / FILES[name]).open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(usual[0]))
            writer.writeheader()
            writer.writerows(tables.get(name, usual))
    return folder


def past(folder: Path, *, order: dict[str, str] | None = None, reviews: Rows | None = None) -> PastOrder:
    """The one order of a data set made of ORDER and REVIEW with these differences."""
    found = read_past(
        written(
            folder,
            orders=[{**ORDER, **(order or {})}],
            reviews=[{**REVIEW, **review} for review in (reviews if reviews is not None else [{}])],
        )
    )
    return found.orders[0]


def test_an_order_lives_in_time_order_and_keeps_the_contract(tmp_path: Path) -> None:
    events = events_of([past(tmp_path)])
    assert [event.type for event in events] == ["order.placed", "order.paid", "order.shipped", "order.delivered"]
    body = OrderEvent.model_validate(events[0].body, strict=False)
    assert body.occurred_at == datetime(2018, 1, 1, 12, tzinfo=UTC)
    assert body.customer.id == "person-1" and body.customer.region == "SP"
    assert body.total is not None and str(body.total.amount) == "110.00"
    assert [item.category for item in body.items] == ["baby"]


def test_what_the_data_dates_wrongly_is_published_as_dated(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_delivered_carrier_date": "2018-01-01 09:00:00"})
    assert events_of([order])[0].type == "order.shipped"


def test_an_hour_that_never_was_has_one_meaning(tmp_path: Path) -> None:
    review = {"review_creation_date": "2017-10-15 00:00:00", "review_answer_timestamp": "2017-10-15 12:00:00"}
    (answer,) = past(tmp_path, reviews=[review]).answers
    # Midnight was skipped: 00:00 −03:00 is the moment 01:00 −02:00, eleven hours before noon.
    assert answer.after == timedelta(hours=11)


@pytest.mark.parametrize(
    ("day", "ends"),
    [
        ("2018-01-20 00:00:00", datetime(2018, 1, 21, 1, 59, 59, tzinfo=UTC)),
        # The clocks went back at midnight: the hour before came twice, and the day ends with the second.
        ("2018-02-17 00:00:00", datetime(2018, 2, 18, 2, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_promise_for_a_day_ends_with_the_day(day: str, ends: datetime) -> None:
    assert end_of_day(day) == ends


def test_who_answered_twice_answers_twice_in_the_order_given(tmp_path: Path) -> None:
    order = past(
        tmp_path,
        reviews=[
            {"review_id": "b", "review_score": "1", "review_creation_date": "2018-01-09 00:00:00",
             "review_answer_timestamp": "2018-01-10 00:00:00", "review_comment_message": "Veio quebrado"},
            {"review_id": "a", "review_comment_title": "Bom", "review_comment_message": "Linha um\nlinha dois 👏🏽 "},
        ],
    )  # fmt: skip
    assert [(answer.score, answer.after) for answer in order.answers] == [
        (10, timedelta(days=1, hours=12)),
        (0, timedelta(days=4)),
    ]
    assert order.answers[0].comment == "Bom\nLinha um\nlinha dois 👏🏽"


STEPS = Steps(datetime(2018, 1, 1, 2, tzinfo=UTC), timedelta(days=1))


def test_asked_when_delivered(tmp_path: Path) -> None:
    (ask,) = asked([past(tmp_path)], STEPS)
    assert (STEPS.moment(ask.step), ask.delivery) == (datetime(2018, 1, 6, 2, tzinfo=UTC), "on_time")
    assert [step for step, _ in ask.answers] == [ask.step + 2]


def test_asked_when_the_promised_day_is_over(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_delivered_customer_date": "2018-02-05 18:00:00"})
    (ask,) = asked([order], STEPS)
    assert (STEPS.moment(ask.step), ask.delivery) == (datetime(2018, 1, 21, 2, tzinfo=UTC), "late")


def test_delivered_on_the_promised_day_is_on_time(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_delivered_customer_date": "2018-01-20 23:30:00"})
    assert [ask.delivery for ask in asked([order], STEPS)] == ["on_time"]


def test_a_delivery_nobody_dated_is_asked_about_when_promised_and_counts_as_late(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_delivered_customer_date": ""})
    assert [(ask.step, ask.delivery) for ask in asked([order], STEPS)] == [(20, "late")]


def test_cancelled_before_it_was_due_is_not_asked(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_status": "canceled", "order_delivered_customer_date": ""})
    assert cancelled_at(order) == order.shipped_at
    assert asked([order], STEPS) == []


def test_cancelled_and_yet_delivered_is_not_asked(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_status": "canceled"})
    assert cancelled_at(order) == order.delivered_at
    assert asked([order], STEPS) == []


def test_the_last_score_counts_and_the_last_comment_stays(tmp_path: Path) -> None:
    order = past(
        tmp_path,
        reviews=[
            {"review_comment_message": "Bom"},
            {"review_score": "1", "review_answer_timestamp": "2018-01-09 00:00:00"},
        ],
    )
    asks = asked([order], STEPS)
    assert (asks[0].final_score, asks[0].final_comment) == (0, "Bom")
    assert total(asks) == Counts(0, 0, 1)
    assert counts_by(asks, "region") == {"SP": Counts(0, 0, 1)}


def test_a_moment_on_a_step_belongs_to_it() -> None:
    assert STEPS.number(STEPS.moment(3)) == 3
    assert STEPS.number(STEPS.moment(3) + timedelta(microseconds=1)) == 4
    assert STEPS.number(STEPS.start - timedelta(days=9)) == 0


def test_a_folder_without_the_files_says_which_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"olist_customers_dataset\.csv does not exist"):
        read_past(tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "has no column review_id, order_id, review_score,"),
        (b"review_id;order_id;review_score\n", "has no column"),
        (
            b"\xef\xbb\xbf" + ",".join(REVIEW).replace("review_score", "stars").encode(),
            "has no column review_score: its first line",
        ),
        (",".join(REVIEW).encode() + b"\nr1,o1,5,p\xe9ssimo,,,\n", "is not UTF-8 text"),
        (",".join(REVIEW).encode() + b"\nr1,o1,5," + b"x" * 140_000 + b",,\n", "cannot be read after line"),
    ],
    ids=["empty", "semicolons", "another-name", "latin-1", "huge-field"],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, complaint: str) -> None:
    written(tmp_path)
    (tmp_path / FILES["reviews"]).write_bytes(content)
    with pytest.raises(MissingData, match=rf"olist_order_reviews_dataset\.csv {complaint}"):
        read_past(tmp_path)


def test_no_order_at_all_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="holds no order"):
        read_past(written(tmp_path, orders=[]))


def what_is_left(folder: Path, **tables: Rows) -> Past:
    return read_past(written(folder, **tables))


def test_what_cannot_happen_again_is_left_out_and_counted(tmp_path: Path) -> None:
    found = what_is_left(
        tmp_path,
        orders=[
            ORDER,
            {**ORDER, "order_id": "o2", "customer_id": "account-2"},
            {**ORDER, "order_id": "o3", "order_purchase_timestamp": ""},
        ],
        reviews=[
            REVIEW,
            {**REVIEW, "order_id": "o4"},
            *({**REVIEW, "review_score": stars} for stars in ("", "0", "6", "4.5", "cinco", "NaN", "1e99")),
            {**REVIEW, "review_answer_timestamp": ""},
            {**REVIEW, "review_creation_date": "2018-02-30 00:00:00"},
            {**REVIEW, "review_answer_timestamp": "2030-01-01 00:00:00"},
        ],
    )
    assert [(order.order_id, len(order.answers)) for order in found.orders] == [("o1", 1)]
    assert found.left_out == {
        "orders of nobody the files know": 1,
        "orders without the time they were placed": 1,
        "answers about none of these orders": 1,
        "answers without a score of 1 to 5": 7,
        "answers without the times they were asked for and given": 2,
        "answers given when their link had closed": 1,
    }


def test_a_row_that_comes_twice_is_one_order_as_the_last_row_has_it(tmp_path: Path) -> None:
    found = what_is_left(tmp_path, orders=[ORDER, ORDER, {**ORDER, "order_status": "canceled"}])
    assert [order.status for order in found.orders] == ["canceled"]


def test_every_event_keeps_the_contract_whatever_the_files_hold(tmp_path: Path) -> None:
    found = what_is_left(
        tmp_path,
        orders=[{**ORDER, "order_delivered_customer_date": "9999-12-31 00:00:00"}],
        customers=[{**ONE_ORDER["customers"][0], "customer_state": "  "}],
        items=[
            {"order_id": "o1", "product_id": "p1", "price": price}
            for price in ("", "1,99", "NaN", "1e400", "0.123456789", "0E-9", "99999999999.99", *["1"] * 600)
        ],
        payments=[{"order_id": "o1", "payment_value": value} for value in ("", "1e2", "-0.5")],
        categories=[{"product_category_name": "bebes", "product_category_name_english": "ba\nby\x00" + "y" * 200}],
        reviews=[{**REVIEW, "review_comment_message": "\x00a" * 9_000}],
    )
    (order,) = found.orders
    events = events_of(found.orders)
    bodies = [OrderEvent.model_validate(event.body, strict=False) for event in events]
    assert [event.type for event in events] == ["order.placed", "order.paid", "order.shipped"]
    assert [str(item.price) for item in bodies[0].items[:8]] == [
        "None", "None", "None", "None", "0.12", "0.00", "99999999999.99", "1.00",
    ]  # fmt: skip
    assert bodies[0].items[0].category == ("ba by " + "y" * 200)[:100]
    assert bodies[0].total is not None and str(bodies[0].total.amount) == "99.50"
    assert bodies[0].customer.region == "unknown"
    assert order.answers[0].comment == "a" * 5_000


def test_an_answer_dated_before_its_survey_is_given_at_once(tmp_path: Path) -> None:
    order = past(tmp_path, reviews=[{"review_answer_timestamp": "2017-12-24 12:00:00"}])
    assert [answer.after for answer in order.answers] == [timedelta(0)]
    (ask,) = asked([order], STEPS)
    assert [step for step, _ in ask.answers] == [ask.step]


def test_delivered_before_it_was_placed_is_asked_about_when_it_is_first_heard_of(tmp_path: Path) -> None:
    dates = {"order_purchase_timestamp": "2018-01-09 10:00:00", "order_approved_at": ""}
    (ask,) = asked([past(tmp_path, order={**dates, "order_delivered_carrier_date": ""})], STEPS)
    assert STEPS.moment(ask.step) == datetime(2018, 1, 6, 2, tzinfo=UTC)


def test_without_a_promise_it_is_asked_about_when_delivered_and_neither_late_nor_on_time(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_estimated_delivery_date": ""})
    asks = asked([order], STEPS)
    assert [(ask.step, ask.delivery) for ask in asks] == [(5, None)]
    assert counts_by(asks, "delivery") == {}
    assert "promised_at" not in events_of([order])[0].body


def test_neither_promised_nor_delivered_is_not_asked_about(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_estimated_delivery_date": "", "order_delivered_customer_date": ""})
    assert asked([order], STEPS) == []


@needs_real_data
def test_the_real_data_is_as_dirty_as_it_is_known_to_be() -> None:
    past_of_theirs = read_past(REAL_DATA)
    orders = past_of_theirs.orders
    assert not past_of_theirs.left_out
    assert (len(orders), sum(len(order.answers) for order in orders)) == (8_135, 8_225)
    assert len({order.customer_id for order in orders}) == 8_016
    delivered = [order for order in orders if order.status == "delivered"]
    cancelled = [order for order in orders if order.status == "canceled"]
    assert sum(order.delivered_at is None for order in delivered) == 8
    assert sum(order.delivered_at is not None for order in cancelled) == 6
    assert sum(len(order.answers) > 1 for order in orders) == 87
    assert sum(len({answer.score for answer in order.answers}) > 1 for order in orders) == 30
    reviews = Counter(review for order in orders for review in {answer.review_id for answer in order.answers})
    assert sum(times > 1 for times in reviews.values()) == 28
    handed_early = [o for o in orders if o.shipped_at and o.paid_at and o.shipped_at < o.paid_at]
    assert len(handed_early) == 77
    assert all(answer.after > timedelta() for order in orders for answer in order.answers)
    for event in events_of(orders):
        OrderEvent.model_validate(event.body, strict=False)
