"""Targets of deployments."""
