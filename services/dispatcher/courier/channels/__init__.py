"""The ways a survey reaches a customer: what a channel is, and a folder for each."""
