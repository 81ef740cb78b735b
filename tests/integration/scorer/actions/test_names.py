"""The ids of names: what is kept in memory is bounded, and always what the database says."""

from services.scorer.actions.names import Names
from shared.contracts.types import SegmentValue
from tests.integration.scorer.kit import Scorer


async def stored(scorer: Scorer) -> dict[tuple[str, str], int]:
    rows = await scorer.query("SELECT dimension, value, id FROM segments")
    return {(row.dimension, row.value): row.id for row in rows}


async def test_a_segment_has_one_id_however_often_it_is_forgotten(scorer: Scorer) -> None:
    names = Names(scorer.runtime.engine, limit=10)
    for start in range(0, 60, 4):
        carried: list[dict[str, SegmentValue]] = [
            {"sku": f"s{number % 40}", "tier": "gold"} for number in range(start, start + 8)
        ]
        found = await names.segments(carried)
        known = await stored(scorer)
        assert found == [(0, known["sku", str(one["sku"])], known["tier", "gold"]) for one in carried]
        kept = names._segments
        assert len(kept.ids) <= 20 and len(kept._before) <= 20


async def test_each_value_of_a_list_is_numbered_once(scorer: Scorer) -> None:
    names = Names(scorer.runtime.engine)
    found = await names.segments([{"category": ["toys", "books", "toys"], "tier": "gold"}, {}, {"category": "toys"}])
    known = await stored(scorer)
    toys, books, gold = known["category", "toys"], known["category", "books"], known["tier", "gold"]
    assert found == [(0, toys, books, gold), (0,), (0, toys)]


async def test_answers_without_a_campaign_have_an_id_too(scorer: Scorer) -> None:
    names = Names(scorer.runtime.engine, limit=2)
    for number in range(8):
        found = await names.campaigns([None, f"c{number}", "always"])
        rows = await scorer.query("SELECT name, id FROM campaigns")
        known = {row.name: row.id for row in rows}
        assert found == [0, known[f"c{number}"], known["always"]]
