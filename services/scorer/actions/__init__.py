"""What changes something, in one transaction."""
