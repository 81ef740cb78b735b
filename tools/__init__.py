"""What people run beside the product: the audit, the demo, the replay, and what they share."""
