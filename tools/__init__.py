"""Tools that run alongside the product: the audit, the demo, the replay, and what they share."""
