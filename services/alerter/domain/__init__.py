"""The rules. Pure: the moment is an argument."""
