"""Spine -> point-in-time join -> training set."""
