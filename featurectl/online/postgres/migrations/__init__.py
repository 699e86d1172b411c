"""The schema of the online store in PostgreSQL, step by step."""
