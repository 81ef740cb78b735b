"""PostgreSQL: engines, migrations, and telling a backend's trouble from a message's."""
