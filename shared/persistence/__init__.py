"""PostgreSQL: engines, migrations, statement helpers, and telling a backend's failure from a fault in the data."""
