"""The scorer's only SQL. Every statement is set-based, and takes its rows in the one order everybody locks them in."""
