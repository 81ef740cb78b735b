"""The one error a person at a terminal gets to see."""


class StackError(Exception):
    """Says in one sentence what is wrong on this machine and what to do about it."""
