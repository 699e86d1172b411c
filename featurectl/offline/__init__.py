"""The tables that features are computed from."""
