"""The exactly-once batch loop: consumer, outbox and its relay, dead letters, topics.

State and position change together: a batch's changes, its outgoing events and the position after it are committed in
one PostgreSQL transaction, and the position is moved by compare-and-set. Start reading at ``consumer.py``.
"""
