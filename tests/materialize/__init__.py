"""Sources -> offline tables."""
