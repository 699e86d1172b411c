"""The state of streams in a database of SQL: what SQLite and PostgreSQL share."""
