"""`featurectl models`: what is trained, what it was made of, which version counts."""
