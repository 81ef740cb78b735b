"""The rules of when a customer is asked: pure, without I/O; the current time is an argument."""
