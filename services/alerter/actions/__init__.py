"""What changes, in one transaction: lock, decide by the domain's rules, write, put the events in the outbox."""
