"""Replays past orders and answers through the running loop, and computes the expected outcome independently."""
