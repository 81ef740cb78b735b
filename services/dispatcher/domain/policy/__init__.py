"""The contact policy."""
