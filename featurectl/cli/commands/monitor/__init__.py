"""`featurectl monitor`: what happens to features and models in production."""
