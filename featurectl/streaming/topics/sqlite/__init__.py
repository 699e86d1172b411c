"""Topics in an SQLite file."""
