"""Freshness of sources and views."""
