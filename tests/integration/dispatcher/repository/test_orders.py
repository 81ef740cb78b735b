"""Orders as they are stored."""

import json
from datetime import UTC, datetime, timedelta

from services.dispatcher.repository.orders import _facts, _order

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_facts_that_only_a_newer_release_knows_are_ignored() -> None:
    total = {"at": NOON.isoformat(), "amount": "1.00", "currency": "BRL"}
    known = {"happened": {"order.placed": NOON.isoformat()}, "total": total}
    newer = {**known, "total": {**total, "added_later": 1}, "added_later": {"more": []}}
    assert _order("o-1", NOON, json.dumps(newer)) == _order("o-1", NOON, json.dumps(known))


def test_what_happened_that_only_a_newer_release_knows_is_kept_and_decides_nothing() -> None:
    newer = {"happened": {"order.placed": NOON.isoformat(), "order.packed": (NOON + timedelta(hours=1)).isoformat()}}
    order = _order("o-1", NOON, json.dumps(newer))
    assert order.facts.status == "placed"
    assert "order.packed" in json.loads(_facts(order))["happened"]
