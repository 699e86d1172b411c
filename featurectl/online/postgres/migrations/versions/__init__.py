"""A step of the schema of the online store each."""
