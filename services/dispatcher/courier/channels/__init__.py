"""The ways a survey reaches a customer, a folder a channel."""
