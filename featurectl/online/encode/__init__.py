"""Frames -> packed rows, by whole columns."""
