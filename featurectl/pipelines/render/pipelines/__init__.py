"""Targets of pipelines."""
