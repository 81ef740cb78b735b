"""Rows of the alerter at each revision; see `tests.kit.rows`."""

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
    after_topic_identities,
)

CUSTOMER = "00000000-0000-5000-8000-000000000001"
NOON = "2026-03-02T12:00:00+00:00"

ROWS: dict[str, Rows] = {
    "0001": {
        **RUNTIME_ROWS,
        "cases": [
            {
                "case_id": "open", "revision": 2, "answer": {"score": 1, "comment": "Late"}, "queue": "detractors",
                "rule": "detractors", "status": "open", "sequence": 3, "opened_at": NOON, "changed_at": NOON,
                "due_at": NOON, "owner": "kim", "suggested_action": "call", "closed_reason": None, "root_cause": None,
                "erased": False, "position": 900, "customer_key": CUSTOMER, "order_id": "o-1",
                "awaits_customer": False, "awaits_order": True, "searched": "late ana",
            },
            {
                "case_id": "contacted", "revision": 1, "answer": {"score": 1, "comment": "Não chegou"},
                "queue": "detractors", "rule": "detractors", "status": "contacted", "sequence": 3, "opened_at": NOON,
                "changed_at": NOON, "due_at": NOON, "owner": "kim", "suggested_action": "call", "closed_reason": None,
                "root_cause": None, "erased": False, "position": 900, "customer_key": CUSTOMER, "order_id": None,
                "awaits_customer": False, "awaits_order": False, "searched": "não chegou straße łódź æbler 한 국 が",
            },
            {
                "case_id": "erased", "revision": 5, "answer": None, "queue": None, "rule": None, "status": "closed",
                "sequence": 1, "opened_at": NOON, "changed_at": NOON, "due_at": None, "owner": None,
                "suggested_action": None, "closed_reason": "erased", "root_cause": None, "erased": True,
                "position": -900, "customer_key": None, "order_id": None, "awaits_customer": False,
                "awaits_order": False, "searched": "",
            },
        ],
        "case_history": [
            {
                "case_id": "open", "sequence": 1, "at": NOON, "kind": "opened", "actor": None,
                "details": {"queue": "detractors"},
            },
            {"case_id": "open", "sequence": 2, "at": NOON, "kind": "assigned", "actor": "kim", "details": {}},
        ],
        "customers": [
            {"customer_key": CUSTOMER, "document": {"email": "ana@example.com"}, "told_at": NOON, "erased_at": None},
        ],
        "customer_orders": [
            {
                "order_id": "o-1", "customer_key": CUSTOMER, "told_at": NOON,
                "document": {
                    "happened": {"shipped": "2026-03-01T09:00:00Z", "placed": "2026-02-27T12:00:00Z"},
                    "parcels": {"": NOON}, "description": {"at": "2026-02-28T12:00:00Z"},
                },
            },
            {"order_id": "o-2", "customer_key": CUSTOMER, "document": {"total": "74.50"}, "told_at": NOON},
        ],
        "customer_surveys": [
            {"send_id": "s-1", "customer_key": CUSTOMER, "document": {"campaign": "service-nps"}, "sent_at": NOON}
        ],
        "routing": [
            {
                "only_row": True, "version": 2, "document": "rules: []", "file_digest": "ab", "changed_at": NOON,
                "changed_by": "kim",
            }
        ],
    },
    "0002": DEAD_LETTER_STATE_ROWS,
    "0003": {},
    "0004": {
        "erasures": [{"customer_digest": "\\x01", "erased_at": NOON}],
        "erased_orders": [{"order_digest": "\\x02", "erased_at": NOON}],
    },
    "0005": {},
    "0006": SET_ASIDE_ROWS,
    "0007": WITHDRAWN_SESSION_ROWS,
    "0008": {},
    "0009": TOPIC_IDENTITY_ROWS,
    "0010": DEAD_LETTER_SUBJECT_ROWS,
    "0011": {
        "customer_orders": [
            {
                "order_id": "o-3", "customer_key": CUSTOMER, "document": {}, "told_at": NOON, "began_at": NOON,
                "guest_keys": [CUSTOMER],
            }
        ],
        "shared_ids": [{"customer_digest": "\\x03"}],
    },
}  # fmt: skip

AFTER: dict[str, Changed] = {
    "0002": AFTER_DEAD_LETTER_STATES,
    # 1,772,452,800,000 milliseconds from 1970 to NOON.
    "0003": {
        "cases": [
            {"case_id": "open", "first_due_at": NOON, "position": 900, "status": "open"},
            {
                "case_id": "contacted", "first_due_at": NOON, "position": 9990000000000000 + 1772452800000,
                "status": "contacted",
            },
            {"case_id": "erased", "first_due_at": None, "position": -900, "status": "closed"},
        ]
    },
    "0004": {
        "customer_orders": [
            {"order_id": "o-1", "began_at": "2026-02-27T12:00:00+00:00"}, {"order_id": "o-2", "began_at": None},
        ]
    },
    "0005": {
        "cases": [
            {"case_id": "open", "searched": "late ana"},
            {"case_id": "contacted", "searched": "nao chegou strasse lodz aebler 한 국 が"},
            {"case_id": "erased", "searched": ""},
        ]
    },
    "0009": after_topic_identities(ROWS),
    "0010": AFTER_DEAD_LETTER_SUBJECTS,
    "0011": {"customer_orders": [{**row, "guest_keys": None} for row in ROWS["0001"]["customer_orders"]]},
}  # fmt: skip
