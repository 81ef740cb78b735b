"""``python -m benchmarks``: Hearback's performance, as ratios to a minimal baseline measured in the same run."""
