"""The prediction log of a canary: what both versions have answered since it began."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.errors import StoreError
from featurectl.monitor.canary.figures import Figures
from featurectl.monitor.canary.tally import ROWS, Tally
from featurectl.registry.state import CanaryRun

_NEEDED: Final = {"canary", *ROWS}


class CanaryLog:
    """Reads what the log of a model has of one canary, a file after the other, each once.

    `folder` is that of the model: `<offline>/<project>/predictions/<environment>/<model>`.
    """

    def __init__(self, folder: Path, run: CanaryRun) -> None:
        self._folder = folder
        self._run = run
        self._seen: set[Path] = set()
        self._tally = Tally(run)

    def figures(self) -> Figures:
        """Return the figures of all that is there by now.

        Raises:
            StoreError: FC603, a file can't be read.
        """
        for file in self._files():
            if file not in self._seen:
                self._tally.add(self._read(file))
                self._seen.add(file)
        return self._tally.figures()

    def _files(self) -> list[Path]:
        first = (self._run.started_at - timedelta(days=1)).strftime("%Y-%m-%d")  # of machines whose clocks differ
        versions = (self._run.champion, self._run.challenger)
        days = [day for version in versions for day in self._folder.glob(f"v{version}/????-??-??")]
        return sorted(file for day in days if day.name >= first for file in day.glob("[!.]*.parquet"))

    def _read(self, file: Path) -> pl.DataFrame:
        """Return the rows of the canary: a prediction each."""
        try:
            if not pl.read_parquet_schema(file).keys() >= _NEEDED:  # of a version that knew no canaries
                return pl.DataFrame(schema=ROWS)
            frame = pl.read_parquet(file, columns=sorted(_NEEDED))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise StoreError(f"the prediction log can't be read: {file.name}: {error}", code="FC603") from error
        return frame.filter(pl.col("canary") == self._run.number).select(*ROWS)
