"""The log of predictions as files: found, read, compacted."""
