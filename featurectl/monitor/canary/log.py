"""The prediction log of a canary: what both versions have answered since it began."""

from __future__ import annotations

from typing import Final

import polars as pl

from featurectl.monitor.canary.figures import Figures
from featurectl.monitor.canary.tally import ROWS, CanaryTally
from featurectl.operations.erased_rows.erased_predictions import ErasedPredictions, read_kept
from featurectl.operations.prediction_log.log_files import PredictionLogFiles, cut_batches
from featurectl.registry.state import CanaryRun

_READ: Final = {"canary": pl.Int64(), **ROWS}


class CanaryLog:
    """Reads what the log of a model has of one canary, each file once, without what is erased."""

    def __init__(self, log: PredictionLogFiles, run: CanaryRun, erased: ErasedPredictions | None = None) -> None:
        self._log, self._erased = log, erased
        self._run = run
        self._seen: set[str] = set()
        self._tally = CanaryTally(run)

    def figures(self) -> Figures:
        """Return the figures of all that is there by now.

        Raises:
            StoreError: FC603, a file can't be read.
        """
        found = self._log.files((self._run.champion, self._run.challenger), self._run.started_at)
        for some in cut_batches([file for file in found if file.path not in self._seen]):
            for rows in read_kept(some, _READ, self._own, self._erased):
                self._tally.add(rows)
            self._seen |= {file.path for file in some}
        return self._tally.figures()

    def _own(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return the rows of the canary: a prediction each. A file may be of a version that knew no canaries."""
        return rows.filter(pl.col("canary") == self._run.number).select(*ROWS)
