"""State changes, each in one transaction."""
