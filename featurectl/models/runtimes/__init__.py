"""Loaded models, a file per format."""
