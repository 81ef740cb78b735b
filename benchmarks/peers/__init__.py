"""Hearback's scorer beside other stream processors: the same topic, decoder and oracle; then ``kill -9`` each."""
