"""A person's rows leave every place that featurectl keeps them in, and stay away."""
