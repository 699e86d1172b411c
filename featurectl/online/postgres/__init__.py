"""The online store in PostgreSQL: a table of rows for each view version, in a schema of its own."""
