"""Past orders as events: malformed input with exactly one meaning."""

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.contracts.orders import OrderEvent
from shared.nps import Counts
from tools.replay.files import FILES, InvalidDataSet
from tools.replay.history import cancelled_at, events_of
from tools.replay.olist import DataSet, PastOrder, end_of_day, read_data_set
from tools.replay.oracle import Steps, counts_by, expected_surveys, total

REAL_DATA = Path(__file__).parents[5] / "shared" / "data" / "olist"
needs_real_data = pytest.mark.skipif(
    not REAL_DATA.exists(),
    reason=f"the sample of Olist's data set that docs/replay.md describes is absent: put its CSV files in {REAL_DATA}",
)

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
    found = read_data_set(
        written(
            folder,
            orders=[{**ORDER, **(order or {})}],
            reviews=[{**REVIEW, **review} for review in (reviews if reviews is not None else [{}])],
        )
    )
    return found.orders[0]


def test_events_are_in_time_order_and_match_the_contract(tmp_path: Path) -> None:
    events = events_of([past(tmp_path)])
    assert [event.type for event in events] == ["order.placed", "order.paid", "order.shipped", "order.delivered"]
    body = OrderEvent.model_validate(events[0].body, strict=False)
    assert body.occurred_at == datetime(2018, 1, 1, 12, tzinfo=UTC)
    assert body.customer.id == "person-1" and body.customer.region == "SP"
    assert body.total is not None and str(body.total.amount) == "110.00"
    assert [item.category for item in body.items] == ["baby"]


def test_implausible_timestamps_are_published_as_they_are(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_delivered_carrier_date": "2018-01-01 09:00:00"})
    assert events_of([order])[0].type == "order.shipped"


def test_a_nonexistent_local_time_has_one_meaning(tmp_path: Path) -> None:
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
def test_a_promised_day_ends_with_its_last_second(day: str, ends: datetime) -> None:
    assert end_of_day(day) == ends


def test_repeated_answers_keep_their_order(tmp_path: Path) -> None:
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


def test_surveyed_when_delivered(tmp_path: Path) -> None:
    (survey,) = expected_surveys([past(tmp_path)], STEPS)
    assert (STEPS.moment(survey.step), survey.delivery) == (datetime(2018, 1, 6, 2, tzinfo=UTC), "on_time")
    assert [step for step, _ in survey.answers] == [survey.step + 2]


def test_surveyed_when_the_promised_day_is_over(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_delivered_customer_date": "2018-02-05 18:00:00"})
    (survey,) = expected_surveys([order], STEPS)
    assert (STEPS.moment(survey.step), survey.delivery) == (datetime(2018, 1, 21, 2, tzinfo=UTC), "late")


def test_delivered_on_the_promised_day_is_on_time(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_delivered_customer_date": "2018-01-20 23:30:00"})
    assert [survey.delivery for survey in expected_surveys([order], STEPS)] == ["on_time"]


def test_a_delivery_without_a_time_is_surveyed_when_promised_and_counts_as_late(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_delivered_customer_date": ""})
    assert [(survey.step, survey.delivery) for survey in expected_surveys([order], STEPS)] == [(20, "late")]


def test_cancelled_before_it_was_due_is_not_surveyed(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_status": "canceled", "order_delivered_customer_date": ""})
    assert cancelled_at(order) == order.shipped_at
    assert expected_surveys([order], STEPS) == []


def test_cancelled_although_delivered_is_not_surveyed(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_status": "canceled"})
    assert cancelled_at(order) == order.delivered_at
    assert expected_surveys([order], STEPS) == []


def test_the_last_score_counts_and_the_last_comment_stays(tmp_path: Path) -> None:
    order = past(
        tmp_path,
        reviews=[
            {"review_comment_message": "Bom"},
            {"review_score": "1", "review_answer_timestamp": "2018-01-09 00:00:00"},
        ],
    )
    surveys = expected_surveys([order], STEPS)
    assert (surveys[0].final_score, surveys[0].final_comment) == (0, "Bom")
    assert total(surveys) == Counts(detractors=1)
    assert counts_by(surveys, "region") == {"SP": Counts(detractors=1)}


def test_a_moment_exactly_on_a_step_belongs_to_it() -> None:
    assert STEPS.number(STEPS.moment(3)) == 3
    assert STEPS.number(STEPS.moment(3) + timedelta(microseconds=1)) == 4
    assert STEPS.number(STEPS.start - timedelta(days=9)) == 0


def test_a_folder_without_the_files_says_which_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataSet, match=r"olist_customers_dataset\.csv does not exist"):
        read_data_set(tmp_path)


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
def test_an_unusable_file_is_named_with_the_reason(tmp_path: Path, content: bytes, complaint: str) -> None:
    written(tmp_path)
    (tmp_path / FILES["reviews"]).write_bytes(content)
    with pytest.raises(InvalidDataSet, match=rf"olist_order_reviews_dataset\.csv {complaint}"):
        read_data_set(tmp_path)


def test_a_data_set_without_orders_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataSet, match="holds no order"):
        read_data_set(written(tmp_path, orders=[]))


def read(folder: Path, **tables: Rows) -> DataSet:
    return read_data_set(written(folder, **tables))


def test_rows_that_cannot_be_replayed_are_left_out_and_counted(tmp_path: Path) -> None:
    found = read(
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
        "orders of unknown customers": 1,
        "orders without a purchase time": 1,
        "answers about unknown orders": 1,
        "answers without a score from 1 to 5": 7,
        "answers without the times of survey and answer": 2,
        "answers given after their link had expired": 1,
    }


def test_the_last_of_duplicate_rows_counts(tmp_path: Path) -> None:
    found = read(tmp_path, orders=[ORDER, ORDER, {**ORDER, "order_status": "canceled"}])
    assert [order.status for order in found.orders] == ["canceled"]


def test_every_event_matches_the_contract_whatever_the_files_contain(tmp_path: Path) -> None:
    found = read(
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


def test_an_answer_dated_before_its_survey_is_given_immediately(tmp_path: Path) -> None:
    order = past(tmp_path, reviews=[{"review_answer_timestamp": "2017-12-24 12:00:00"}])
    assert [answer.after for answer in order.answers] == [timedelta(0)]
    (survey,) = expected_surveys([order], STEPS)
    assert [step for step, _ in survey.answers] == [survey.step]


def test_delivered_before_placed_is_surveyed_at_its_first_event(tmp_path: Path) -> None:
    dates = {"order_purchase_timestamp": "2018-01-09 10:00:00", "order_approved_at": ""}
    (survey,) = expected_surveys([past(tmp_path, order={**dates, "order_delivered_carrier_date": ""})], STEPS)
    assert STEPS.moment(survey.step) == datetime(2018, 1, 6, 2, tzinfo=UTC)


def test_without_a_promise_it_is_surveyed_when_delivered_and_neither_late_nor_on_time(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_estimated_delivery_date": ""})
    surveys = expected_surveys([order], STEPS)
    assert [(survey.step, survey.delivery) for survey in surveys] == [(5, None)]
    assert counts_by(surveys, "delivery") == {}
    assert "promised_at" not in events_of([order])[0].body


def test_neither_promised_nor_delivered_is_not_surveyed(tmp_path: Path) -> None:
    order = past(tmp_path, order={"order_estimated_delivery_date": "", "order_delivered_customer_date": ""})
    assert expected_surveys([order], STEPS) == []


@needs_real_data
def test_the_real_data_has_its_known_defects() -> None:
    data_set = read_data_set(REAL_DATA)
    orders = data_set.orders
    assert not data_set.left_out
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
