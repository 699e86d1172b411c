"""`featurectl pipeline`: commands that run in an order, here or by a scheduler."""
