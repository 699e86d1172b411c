"""Command lines of featurectl that stand in files: `run` of a stage and of a deployment."""
