"""Scores of the rows of a request."""
