"""What a topic's batch does, a module a topic."""
