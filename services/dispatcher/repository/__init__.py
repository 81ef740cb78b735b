"""All of the dispatcher's SQL, one module per subject. Nothing here commits.

To avoid deadlocks, locks are always taken in this order: orders (sorted), then customers (sorted). A customer's
timers, sends and recurrences are only written under the lock on the customer's row, an order's facts only under the
locks on the order's and its customer's rows.
"""
