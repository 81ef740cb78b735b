"""All of the courier's SQL. Nothing here commits."""
