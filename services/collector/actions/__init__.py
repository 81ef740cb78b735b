"""State changes, each in one transaction: lock, decide by the domain's rules, write, add the events to the outbox."""
