"""The dashboard: one page that shows how we are doing, whether it is changing, and where."""
