"""Reads the rows of the data set's files, or says why they cannot be read."""

import csv
from collections.abc import Iterator
from pathlib import Path

FILES = {
    "orders": "olist_orders_dataset.csv",
    "customers": "olist_customers_dataset.csv",
    "items": "olist_order_items_dataset.csv",
    "payments": "olist_order_payments_dataset.csv",
    "products": "olist_products_dataset.csv",
    "reviews": "olist_order_reviews_dataset.csv",
    "categories": "product_category_name_translation.csv",
}

COLUMNS = {
    "orders": (
        "order_id",
        "customer_id",
        "order_status",
        "order_purchase_timestamp",
        "order_approved_at",
        "order_delivered_carrier_date",
        "order_delivered_customer_date",
        "order_estimated_delivery_date",
    ),
    "customers": ("customer_id", "customer_unique_id", "customer_state"),
    "items": ("order_id", "product_id", "price"),
    "payments": ("order_id", "payment_value"),
    "products": ("product_id", "product_category_name"),
    "reviews": (
        "review_id",
        "order_id",
        "review_score",
        "review_comment_title",
        "review_comment_message",
        "review_creation_date",
        "review_answer_timestamp",
    ),
    "categories": ("product_category_name", "product_category_name_english"),
}
"""The columns read from each file; it may have more."""


class InvalidDataSet(Exception):
    """The folder does not contain the expected files; the message names the file and what is wrong with it."""


def rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of one of FILES; missing values of a truncated row are empty. Raises InvalidDataSet."""
    path = folder / FILES[name]
    try:
        # utf-8-sig: some of the files begin with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = [column for column in COLUMNS[name] if column not in (reader.fieldnames or ())]
            if missing:
                raise InvalidDataSet(
                    f"{path} has no column {', '.join(missing)}: its first line must name Olist's columns, "
                    "separated by commas."
                )
            try:
                yield from reader
            except csv.Error as error:
                raise InvalidDataSet(f"{path} cannot be read after line {reader.line_num}: {error}.") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidDataSet(
            f"{path} does not exist: name the folder that holds Olist's CSV files "
            '("Brazilian E-Commerce Public Dataset by Olist").'
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidDataSet(f"{path} is not UTF-8 text: save it as UTF-8.") from error
