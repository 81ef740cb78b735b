"""Rows of the dispatcher and its courier at each revision; see `tests.kit.rows`."""

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

TIMER, SEND, DECISION, EVENT = (f"00000000-0000-5000-8000-00000000000{number}" for number in range(4))

ROWS: dict[str, Rows] = {
    "0001": {
        **RUNTIME_ROWS,
        "campaigns": [
            {
                "campaign": "service-nps", "version": 3, "definition": {"id": "service-nps"}, "brand": {"name": "Shop"},
                "file_definition": None, "changed_at": "2026-03-02T12:00:00+00:00",
            }
        ],
        "customers": [
            {
                "customer_id": "c-1", "details": {"email": "ana@example.com"},
                "first_event_at": "2026-03-01T12:00:00+00:00", "since": "2026-03-01T12:00:00+00:00",
                "preference_revision": 2, "channels": [{"channel": "email", "state": "allowed"}], "erased_at": None,
                "last_answered_at": "2026-03-02T12:00:00+00:00",
            },
            {
                "customer_id": "c-2", "details": {}, "first_event_at": None, "since": None, "preference_revision": 7,
                "channels": [], "erased_at": "2026-03-03T12:00:00+00:00", "last_answered_at": None,
            },
        ],
        "orders": [
            {
                "order_id": "o-1", "customer_id": "c-1", "first_event_at": "2026-03-01T12:00:00+00:00",
                "ordered_at": "2026-03-01T11:59:59.999999+00:00", "stopped": False, "facts": {"country": "BR"},
            }
        ],
        "timers": [
            {
                "timer_id": TIMER, "campaign": "service-nps", "customer_id": "c-1", "order_id": "o-1",
                "cause": "milestone", "occurrence": 0, "milestone_at": "2026-03-01T12:00:00+00:00",
                "due_at": "2026-03-04T12:00:00+00:00", "traceparent": None,
            }
        ],
        "recurrences": [
            {
                "campaign": "relationship-nps", "customer_id": "c-1", "occurrence": 2,
                "fired_at": "2026-03-01T12:00:00+00:00",
            }
        ],
        "sends": [
            {
                "send_id": SEND, "timer_id": TIMER, "campaign": "service-nps", "campaign_version": 3,
                "customer_id": "c-1", "order_id": "o-1", "channel": "email", "due_at": "2026-03-02T12:00:00+00:00",
                "sent_at": "2026-03-02T12:00:01+00:00", "expires_at": "2026-04-01T12:00:00+00:00",
            }
        ],
        "decisions": [
            {
                "decision_id": DECISION, "position": 12, "customer_id": "c-1",
                "decided_at": "2026-03-02T12:00:01+00:00",
                "outcome": "sent", "reason": "due", "order_id": "o-1", "event_type": None, "source": None,
                "event_id": None, "occurred_at": None, "timer_id": TIMER, "campaign": "service-nps", "until": None,
                "because_of": None, "effects": {"timers": 1},
            }
        ],
    },
    "0002": {
        "deliveries": [
            {
                "send_id": SEND, "state": "transmitting", "available_at": "2026-03-02T12:01:00+00:00", "attempts": 1,
                "claim": DECISION, "message_id": "<m@shop.example>", "campaign": "service-nps",
                "expires_at": "2026-04-01T12:00:00+00:00", "customer_id": "c-1", "survey": {"locale": "pt-BR"},
                "traceparent": None, "reason": None, "ended_at": None,
            },
            {
                "send_id": "ended", "state": "bounced", "available_at": "2026-03-02T12:01:00+00:00", "attempts": 3,
                "claim": None, "message_id": "<n@shop.example>", "campaign": "service-nps",
                "expires_at": "2026-04-01T12:00:00+00:00", "customer_id": None, "survey": None, "traceparent": None,
                "reason": "550 no such user", "ended_at": "2026-03-02T12:02:00+00:00",
            },
        ]
    },
    "0003": DEAD_LETTER_STATE_ROWS,
    "0004": {
        "suppressions": [
            {
                "digest": "5f" * 32, "channel": "email", "state": "unsubscribed",
                "changed_at": "2026-03-02T12:00:00+00:00",
            }
        ],
        "erasures": [{"customer_id": "c-2", "reached": "o-1"}],
    },
    "0005": {
        "decisions": [
            {
                "decision_id": SEND, "position": 13, "customer_id": "c-1", "decided_at": "2026-03-02T12:00:01+00:00",
                "outcome": "no_timer", "reason": "no_change", "order_id": "o-1", "event_type": "order.paid",
                "source": "/shop", "event_id": "e-1", "occurred_at": "2026-03-02T12:00:00+00:00", "timer_id": None,
                "campaign": None, "until": None, "because_of": None, "effects": None,
                "adjustments": [{"field": "items.price", "change": "left_out"}],
            }
        ]
    },
    "0006": {
        "customers": [
            {
                "customer_id": "c-3", "details": {}, "first_event_at": None, "since": None, "preference_revision": 0,
                "channels": [], "erased_at": None, "last_answered_at": None, "mailboxes": ["5f5f5f5f5f5f5f5f"],
                "several_people": True,
            }
        ]
    },
    "0007": {
        "decisions": [
            {
                "decision_id": TIMER, "position": 14, "customer_id": "c-1", "decided_at": "2026-03-02T12:00:01+00:00",
                "outcome": "no_timer", "reason": "no_change", "order_id": "o-1", "event_type": "order.paid",
                "source": "/shop", "event_id": "e-2", "occurred_at": "2026-03-02T12:00:00+00:00", "timer_id": None,
                "campaign": None, "until": None, "because_of": None, "effects": None, "adjustments": None,
                "content": "5f5f5f5f-5f5f-5f5f-5f5f-5f5f5f5f5f5f",
            }
        ]
    },
    "0008": SET_ASIDE_ROWS,
    "0009": {
        "erased_customers": [{"customer_digest": "\\x01", "erased_at": "2026-03-03T12:00:00+00:00"}],
        "erased_orders": [{"order_digest": "\\x02", "erased_at": "2026-03-03T12:00:00+00:00"}],
    },
    "0010": TOPIC_IDENTITY_ROWS,
    "0011": {
        "erasures": [
            {"customer_id": "c-3", "reached": "o-1", "tries": 2, "retry_at": "2026-03-03T12:00:00+00:00"}
        ]
    },
    "0012": DEAD_LETTER_SUBJECT_ROWS,
    "0013": {
        "orders": [
            {
                "order_id": "o-9", "customer_id": "c-3", "first_event_at": None, "ordered_at": None, "stopped": False,
                "facts": {}, "guest_ids": ["guest-1", "guest-2"],
            }
        ]
    },
    "0014": {
        "campaigns": [
            {
                "campaign": "product-nps", "version": 1, "definition": {"id": "product-nps"}, "brand": {"name": "Shop"},
                "file_definition": None, "changed_at": "2026-03-02T12:00:00+00:00", "number": 7,
            }
        ],
        "decisions": [
            {
                "decision_id": EVENT, "position": 15, "customer_id": "c-1", "decided_at": "2026-03-02T12:00:01+00:00",
                "outcome": "no_timer", "reason": "not_in_audience", "order_id": "o-1", "event_type": "order.placed",
                "source": "/shop", "event_id": "e-3", "occurred_at": "2026-03-02T12:00:00+00:00", "timer_id": None,
                "campaign": None, "until": None, "because_of": None, "effects": None, "adjustments": None,
                "content": None, "left_out": {"not_in_audience": "80"},
            }
        ],
    },
}  # fmt: skip

AFTER: dict[str, Changed] = {
    # When older timers were set is the moment of the migration.
    "0003": {**AFTER_DEAD_LETTER_STATES, "timers": ROWS["0001"]["timers"]},
    "0005": {"decisions": [{**row, "adjustments": None} for row in ROWS["0001"]["decisions"]]},
    "0006": {
        "customers": [{**row, "mailboxes": [], "several_people": False} for row in ROWS["0001"]["customers"]],
    },
    "0007": {
        "decisions": [
            *({**row, "adjustments": None, "content": None} for row in ROWS["0001"]["decisions"]),
            *({**row, "content": None} for row in ROWS["0005"]["decisions"]),
        ]
    },
    "0010": after_topic_identities(ROWS),
    "0011": {"erasures": [{**row, "tries": 0, "retry_at": None} for row in ROWS["0004"]["erasures"]]},
    "0012": AFTER_DEAD_LETTER_SUBJECTS,
    # The id that was found to be several people's before there was a topic for them is published.
    "0013": {
        "orders": [{**row, "guest_ids": None} for row in ROWS["0001"]["orders"]],
        "outbox": [{"topic": "nps.scores", "key": "\\x6b"}, {"topic": "customers.shared", "key": "\\x632d33"}],
    },
    "0014": {
        "campaigns": [{**row, "number": 0} for row in ROWS["0001"]["campaigns"]],
        "decisions": [
            *({**row, "adjustments": None, "content": None, "left_out": None} for row in ROWS["0001"]["decisions"]),
            *({**row, "content": None, "left_out": None} for row in ROWS["0005"]["decisions"]),
            *({**row, "left_out": None} for row in ROWS["0007"]["decisions"]),
        ],
    },
}
