"""featurectl: a feature store that is one command."""

__version__ = "0.1.0"
