"""Every verb of featurectl, as functions."""
