"""Rows of erased keys in files beside tables: those of models, and of the prediction log."""
