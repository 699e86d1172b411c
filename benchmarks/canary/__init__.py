"""Canaries on the flights under the load of clients: `python -m benchmarks.canary`."""
