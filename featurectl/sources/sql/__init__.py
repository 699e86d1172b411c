"""Sources that are queries to a database: how each kind is asked, and its rows as columns."""
