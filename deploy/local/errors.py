"""The error shown to a user at a terminal."""


class StackError(Exception):
    """The message says in one sentence what is wrong on this machine and what to do about it."""
