"""Polars frames, in which rows travel between engines, stores and commands: the types of their columns."""
