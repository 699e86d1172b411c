"""The newest values by entity, for serving."""
