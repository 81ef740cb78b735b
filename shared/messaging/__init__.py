"""The exactly-once batch loop: consumer, outbox and its relay, dead letters, topics.

State and position move together: a batch's changes, its outgoing events and the position after it are one PostgreSQL
transaction, and the position moves by compare-and-set. Start reading at ``consumer.py``.
"""
