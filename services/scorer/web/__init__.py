"""The dashboard: one page that answers how we are doing, whether it is changing, and where."""
