"""The scorer's rules: what is counted where, for which days, and how scores are computed. Pure; the current time is an
argument."""
