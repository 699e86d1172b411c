"""Readers of the places that rows come from."""
