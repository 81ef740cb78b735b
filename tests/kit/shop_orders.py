"""Order events as shops send them, with anything at all in the fields that decide nothing."""

from typing import Any

from hypothesis import strategies as st

SMALLEST: dict[str, Any] = {
    "order_id": "1",
    "occurred_at": "2026-11-01T09:30:00-03:00",
    "customer": {"id": "c-1"},
}
"""All that is required."""

LONE_SURROGATE = chr(0xD83D)
"""Half of an emoji, as JavaScript and Java leave it when they cut a text."""

_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=700)
    | st.sampled_from(
        [
            "",
            " ",
            "\u200b",
            "\u0958" * 60,
            "x" * 2_000,
            "159,90",
            "1e400",
            "2026-11-05",
            "20261101",
            "1900-01-01",
            "9999-12-31",
            "NaN",
        ]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=120), inner, max_size=3),
    max_leaves=5,
)
_CUSTOMER_FIELDS = ("email", "phone", "name", "locale", "timezone", "country", "region", "tier", "first_order_at")
_ITEM_FIELDS = ("sku", "name", "category", "quantity", "price")
_ORDER_FIELDS = ("total", "items", "promised_at", "shipment", "channel", "attributes")
_odd_items = st.lists(st.dictionaries(st.sampled_from(_ITEM_FIELDS), _anything, max_size=3), max_size=3)
_odd_totals = st.fixed_dictionaries({"amount": _anything, "currency": st.just("BRL") | _anything})
_odd_shipments = st.fixed_dictionaries({"id": st.just("s-1") | _anything, "of": _anything})


def odd_orders() -> st.SearchStrategy[dict[str, Any]]:
    """Bodies in which only the order's id, the time and the customer's id are sure to be right."""
    in_detail = st.fixed_dictionaries(
        {},
        optional={
            "items": _odd_items,
            "total": _odd_totals,
            "shipment": _odd_shipments,
            "attributes": st.dictionaries(st.text(max_size=120), _anything, max_size=4),
        },
    )
    return st.builds(
        lambda of_customer, of_order, in_detail: {
            **of_order,
            **in_detail,
            **SMALLEST,
            "customer": {**of_customer, "id": "c-1"},
        },
        st.dictionaries(st.sampled_from(_CUSTOMER_FIELDS), _anything),
        st.dictionaries(st.sampled_from(_ORDER_FIELDS), _anything),
        in_detail,
    )
