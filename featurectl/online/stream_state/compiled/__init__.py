"""Lists of events read by compiled loops (numba), where the extra `fast` is installed."""
