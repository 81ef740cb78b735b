"""PostgreSQL: engines, migrations, statement helpers, and distinguishing backend failures from bad data."""
