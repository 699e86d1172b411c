"""The online store and the server under load: `python -m benchmarks.serving`."""
