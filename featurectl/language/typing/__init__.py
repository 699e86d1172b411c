"""Expressions and objects typed by the columns that are known."""
