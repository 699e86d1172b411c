"""The point-in-time engine against others, on generated events: `python -m benchmarks.pit`."""
