"""``python -m benchmarks``: how fast Hearback is, as ratios to the barest program that could do the same."""
