"""`python -m featurectl`."""

from featurectl.cli.main import entry

entry()
