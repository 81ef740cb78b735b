"""Read-only queries used by more than one entry point."""
