"""Sources that are Iceberg tables: the catalog that knows one, what its snapshots did, and its rows."""
