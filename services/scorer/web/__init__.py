"""The dashboard: one page that says how we are doing, whether it is changing, and where."""
