"""Rows of the collector at each revision; see `tests.kit.rows`."""

from tests.kit.rows import (
    AFTER_DEAD_LETTER_STATES,
    AFTER_DEAD_LETTER_SUBJECTS,
    DEAD_LETTER_STATE_ROWS,
    DEAD_LETTER_SUBJECT_ROWS,
    RUNTIME_ROWS,
    SET_ASIDE_ROWS,
    TOPIC_IDENTITY_ROWS,
    Changed,
    Rows,
    after_topic_identities,
)

ROWS: dict[str, Rows] = {
    "0001": {
        **RUNTIME_ROWS,
        "campaigns": [
            {"campaign": "service-nps", "campaign_version": 1, "definition": {"subject_of_question": "service"}},
            {"campaign": "service-nps", "campaign_version": 2, "definition": {"brand": {"name": "김치 가게"}}},
        ],
        "sends": [
            {
                "send_id": "s-1", "campaign": "service-nps", "campaign_version": 1, "channel": "email",
                "locale": "pt-BR", "customer_id": "c-1", "address": "ana@example.com", "name": "Ana", "order_id": "o-1",
                "product": None,
                "segments": {"country": "BR", "category": ["toys", "books"]},
                "sent_at": "2026-03-02T12:00:00.123456+00:00",
                "expires_at": "2026-04-01T12:00:00+00:00", "erased_at": None,
            },
            {
                "send_id": "s-2", "campaign": "service-nps", "campaign_version": 2, "channel": "email", "locale": "en",
                "customer_id": None, "address": None, "name": None, "order_id": None, "product": None, "segments": {},
                "sent_at": "2026-03-02T12:00:00+00:00", "expires_at": "2026-04-01T12:00:00+00:00",
                "erased_at": "2026-03-03T12:00:00+00:00",
            },
        ],
        "answers": [
            {"answer_id": "a-1", "revision": 2, "customer_id": "c-1", "body": {"score": 3}, "erased_at": None},
            {
                "answer_id": "a-2", "revision": 1, "customer_id": None, "body": None,
                "erased_at": "2026-03-03T12:00:00+00:00",
            },
            {
                "answer_id": "5d0b6a52-3f0e-5d0b-9a3c-1d7a7a3e6b51", "revision": 1, "customer_id": None,
                "body": {"score": 3}, "erased_at": None,
            },
        ],
        "preferences": [
            {"customer_id": "c-1", "revision": 4, "channels": [{"channel": "email", "state": "unsubscribed"}]}
        ],
        "erasures": [
            {"customer_digest": "\\x0102", "preference_revision": 5, "erased_at": "2026-03-03T12:00:00+00:00"}
        ],
    },
    "0002": {
        "early_wishes": [
            {"send_id": "s-9", "wish": "unsubscribe", "wished_at": "2026-03-02T12:00:00+00:00"},
            {"send_id": "s-8", "wish": "resubscribe", "wished_at": "2026-03-02T12:00:01+00:00"},
        ]
    },
    "0003": DEAD_LETTER_STATE_ROWS,
    "0004": {
        "early_wishes": [
            {"send_id": "s-7", "wish": "bounce", "wished_at": "2026-03-02T12:00:02+00:00"},
            {"send_id": "s-6", "wish": "complain", "wished_at": "2026-03-02T12:00:03+00:00"},
        ]
    },
    "0005": {
        "answers": [
            {
                "answer_id": "till-2", "revision": 1, "customer_id": None, "body": {"score": 9, "order_id": "o-7"},
                "erased_at": None, "request_digest": "\\x0304",
                "derived_key": "00000000-0000-5000-8000-000000000002",
            }
        ],
        "erased_orders": [{"order_digest": "\\x0102", "erased_at": "2026-03-03T12:00:00+00:00"}],
    },
    "0006": SET_ASIDE_ROWS,
    "0007": {},
    "0008": {"erased_ids": [{"customer_id": "c-9", "erased_at": "2026-03-03T12:00:00+00:00"}]},
    "0009": TOPIC_IDENTITY_ROWS,
    "0010": DEAD_LETTER_SUBJECT_ROWS,
    "0011": {
        "shared_ids": [{"customer_digest": "\\x03"}],
    },
    "0012": {},
}  # fmt: skip

AFTER: dict[str, Changed] = {
    "0003": AFTER_DEAD_LETTER_STATES,
    "0005": {
        "answers": [
            {
                "answer_id": "a-1", "revision": 2, "customer_id": "c-1", "body": {"score": 3}, "erased_at": None,
                "request_digest": None, "derived_key": "661276dd-3296-5471-94fe-9a44bdaae3aa",
            },
            {
                "answer_id": "a-2", "revision": 1, "customer_id": None, "body": None,
                "erased_at": "2026-03-03T12:00:00+00:00", "request_digest": None,
                "derived_key": "0ed4bb54-0803-5d74-ba8e-4786733301f9",
            },
            {
                "answer_id": "5d0b6a52-3f0e-5d0b-9a3c-1d7a7a3e6b51", "revision": 1, "customer_id": None,
                "body": {"score": 3}, "erased_at": None, "request_digest": None, "derived_key": None,
            },
        ]
    },
    "0009": after_topic_identities(ROWS),
    "0010": AFTER_DEAD_LETTER_SUBJECTS,
}  # fmt: skip
