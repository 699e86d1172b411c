"""Forests scored without following branches: each test of a tree rules out leaves of many rows at once."""
