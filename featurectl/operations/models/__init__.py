"""What becomes of the versions of a model."""
