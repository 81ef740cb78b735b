"""All of the scorer's SQL. Statements are set-based, and all lock their rows in the same order."""
