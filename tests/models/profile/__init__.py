"""Profiles of models."""
