"""The SQL of messaging: consumer positions, the outbox, dead letters. Its tables are in every service's schema."""
