"""The only SQL of the dispatcher, a module a subject. Nothing here commits.

Locks are taken in one order: orders (sorted), then customers (sorted). A customer's timers, sends and recurrences are
only written under the lock on the customer's row, an order's facts only under the order's and its customer's.
"""
