"""Packed rows -> values: the one place, with `encode/`, that knows where in a row its bytes lie."""
