"""What is in the tables, a module a table or two. Statements only; nothing here commits."""
