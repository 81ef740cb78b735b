"""Rows of the scorer at each revision; see `tests.kit.rows`."""

from tests.kit.rows import AFTER_DEAD_LETTER_STATES, DEAD_LETTER_STATE_ROWS, RUNTIME_ROWS, Changed, Rows

ANSWER, ERASED, SURVEY = (f"00000000-0000-5000-8000-00000000000{number}" for number in range(3))

ROWS: dict[str, Rows] = {
    "0001": {
        **RUNTIME_ROWS,
        "campaigns": [{"id": 1, "name": "service-nps"}],
        "segments": [{"id": 1, "dimension": "country", "value": "BR"}],
        "answers": [
            {
                "key": ANSWER, "revision": 2, "campaign_id": 1, "day": "2026-03-02", "score": 9, "surveyed": True,
                "segment_ids": [0, 1],
            },
            {
                "key": ERASED, "revision": 3, "campaign_id": None, "day": None, "score": None, "surveyed": None,
                "segment_ids": None,
            },
        ],
        "day_counts": [
            {
                "segment_id": 1, "campaign_id": 1, "day": "2026-03-02", "promoters": 1, "passives": 0, "detractors": 0,
                "surveyed": 1, "delivered": 4, "changed": True,
            }
        ],
        "surveys": [
            {
                "key": SURVEY, "known_on": "2026-03-01", "campaign_id": 1, "sent_on": "2026-03-01", "accepted": True,
                "failed": False, "segment_ids": [0, 1],
            }
        ],
        "scores": [
            {
                "segment_id": 0, "campaign_id": -1, "window_days": 0, "sequence": 5, "change": 17,
                "figures": [1, 0, 0, 1, 4], "body": '{"nps": 100}',
            }
        ],
        "publication": [{"only_one": True, "last_day": "2026-03-02"}],
        "comments": [
            {
                "key": ANSWER, "answered_at": "2026-03-02T12:00:00+00:00", "day": "2026-03-02", "campaign_id": 1,
                "score": 9, "segment_ids": [0, 1], "comment": "Lovely 👏🏽",
            }
        ],
    },
    "0002": DEAD_LETTER_STATE_ROWS,
}  # fmt: skip

AFTER: dict[str, Changed] = {"0002": AFTER_DEAD_LETTER_STATES}
