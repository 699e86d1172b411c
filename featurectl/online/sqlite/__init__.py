"""The embedded online store: one SQLite file."""
