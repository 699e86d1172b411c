"""The commands of `featurectl stream`."""
