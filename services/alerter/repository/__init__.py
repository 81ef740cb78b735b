"""The only SQL of the alerter: cases, what is known of customers, the routing rules. Nothing here commits."""
