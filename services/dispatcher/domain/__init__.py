"""The rules of when a customer is asked: pure, without I/O, and told the time."""
