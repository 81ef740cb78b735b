"""Message handlers, one module per topic."""
