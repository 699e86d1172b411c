"""What was done for a model, counted as it is done, for other threads to read."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final

from featurectl.streaming.predictions import PredictionCounts

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)  # as `serve` has them


class PredictionCounter:
    """Counts the predictions of one model; of any thread."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._results: Counter[str] = Counter()
        self._latencies = [0] * (len(SECONDS) + 1)
        self._latency_sum_s = 0.0
        self._early = 0

    def add(self, result: str, count: int) -> None:
        """Count what became of some events."""
        if count:
            with self._lock:
                self._results[result] += count

    def took(self, latencies_ms: Sequence[float], early: int) -> None:
        """Take note of how long predictions took, and how many were made before all was there."""
        with self._lock:
            self._early += early
            for ms in latencies_ms:
                self._latencies[bisect_left(SECONDS, ms / 1e3)] += 1
                self._latency_sum_s += ms / 1e3

    def counts(self, waiting: int, problem: str) -> PredictionCounts:
        """Return what was counted so far."""
        with self._lock:
            below, latency_s = 0, dict[float, int]()
            for bound, count in zip((*SECONDS, float("inf")), self._latencies, strict=True):
                below += count
                latency_s[bound] = below
            return PredictionCounts(
                model=self._model,
                results=dict(self._results),
                early=self._early,
                latency_s=latency_s,
                latency_sum_s=self._latency_sum_s,
                waiting=waiting,
                problem=problem,
            )
