"""Rows of the scorer at each revision; see `tests.kit.rows`."""

from tests.kit.rows import (
    AFTER_DEAD_LETTER_STATES,
    AFTER_DEAD_LETTER_SUBJECTS,
    DEAD_LETTER_STATE_ROWS,
    DEAD_LETTER_SUBJECT_ROWS,
    RUNTIME_ROWS,
    SET_ASIDE_ROWS,
    TOPIC_IDENTITY_ROWS,
    WITHDRAWN_SESSION_ROWS,
    Changed,
    Rows,
)

ANSWER, ERASED, SURVEY, FORGOTTEN = (f"00000000-0000-5000-8000-00000000000{number}" for number in range(4))

GROUPS = ("promoters", "passives", "detractors")
WINDOWS = ("7d", "30d", "90d", "365d", "all")
SUMS = [
    *(f"{of}_{window}" for window in WINDOWS for of in (*GROUPS, "delivered", "answered")),
    *(f"{of}_before_{window}" for window in WINDOWS[:-1] for of in GROUPS),
]

ROWS: dict[str, Rows] = {
    "0001": {
        **RUNTIME_ROWS,
        "consumer_positions": [
            *RUNTIME_ROWS["consumer_positions"],
            {
                "consumer": "scorer", "topic": "surveys.answers", "partition": 2, "next_offset": 41,
                "changed_at": "2026-03-02T12:00:00+00:00",
            },
        ],
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
            },
            {
                "segment_id": 1, "campaign_id": 1, "day": "2026-01-02", "promoters": 0, "passives": 0, "detractors": 0,
                "surveyed": 3, "delivered": 2, "changed": False,
            },
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
    "0003": {
        "answers": [
            {
                "key": FORGOTTEN, "revision": 3, "campaign_id": 1, "day": "2026-03-02", "score": None, "surveyed": None,
                "segment_ids": [0, 1], "erased_group": "detractor",
            }
        ],
    },
    "0004": SET_ASIDE_ROWS,
    "0005": WITHDRAWN_SESSION_ROWS,
    "0006": TOPIC_IDENTITY_ROWS,
    "0007": DEAD_LETTER_SUBJECT_ROWS,
    "0008": {
        "day_changes": [
            {
                "transaction": "17", "segment_id": 1, "campaign_id": 1, "day": "2026-03-02", "promoters": -1,
                "passives": 0, "detractors": 1, "delivered": 0, "answered": 0,
            }
        ],
        "window_sums": [
            {
                "segment_id": 1, "campaign_id": -1, "as_of": "2026-03-02",
                "waiting_since": "2026-03-02T12:00:00+00:00", **dict.fromkeys(SUMS, 3),
            }
        ],
    },
    "0009": {
        "day_changes": [
            {
                "transaction": None, "segment_id": 1, "campaign_id": 1, "day": "2026-03-02", "promoters": 0,
                "passives": 1, "detractors": 0, "delivered": 0, "answered": 0,
            }
        ]
    },
}  # fmt: skip

AFTER: dict[str, Changed] = {
    "0002": AFTER_DEAD_LETTER_STATES,
    "0003": {
        "answers": [
            {"key": ANSWER, "revision": 2, "score": 9, "erased_group": None},
            {"key": ERASED, "revision": 3, "score": None, "erased_group": None},
        ],
        "surveys": [{"key": SURVEY, "accepted": True, "failed": False, "answered": False}],
        # The survey of that day is known, and whether it was answered is read again.
        "day_counts": [
            {"segment_id": 1, "day": "2026-03-02", "promoters": 1, "delivered": 4, "answered": 0, "changed": True},
            {"segment_id": 1, "day": "2026-01-02", "promoters": 0, "delivered": 2, "answered": 2, "changed": True},
        ],
        "comments": [{"key": ANSWER, "comment": "Lovely 👏🏽", "answer_id": None}],
        "consumer_positions": [{"topic": "orders", "next_offset": 41}],
    },
    "0006": {
        "consumer_positions": [{"topic": "orders", "next_offset": 41, "cluster_id": None, "topic_id": None}],
    },
    "0007": AFTER_DEAD_LETTER_SUBJECTS,
    "0008": {
        "day_counts": [
            {"segment_id": 1, "day": "2026-03-02", "promoters": 1, "delivered": 4, "answered": 0, "changed": False},
            {"segment_id": 1, "day": "2026-01-02", "promoters": 0, "delivered": 2, "answered": 2, "changed": False},
        ],
        # All sums are still to be made, and what differs from the last publication is published.
        "publisher": [{"last_day": "2026-03-02", "walked_to": -1, "building": True, "folded": None}],
    },
}
