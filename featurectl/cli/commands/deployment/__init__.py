"""`featurectl deployment`: commands that run for long, where somebody starts them."""
