"""Estimators that a trainer names: made, fitted, kept as bytes; what each library wants of its own stands apart."""
