"""Training, artifacts and runtimes of models."""
