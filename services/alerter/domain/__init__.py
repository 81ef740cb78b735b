"""The alerter's rules: pure, without I/O; the current time is an argument."""
