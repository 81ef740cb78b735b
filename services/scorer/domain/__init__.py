"""The rules: what is counted where, for which days, and what a score says. Pure; the moment is an argument."""
