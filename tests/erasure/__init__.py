"""A person's rows leave every place."""
