"""The prediction log of a canary: what both versions have answered since it began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.errors import StoreError
from featurectl.monitor.canary.figures import Figures
from featurectl.monitor.canary.tally import ROWS, Tally
from featurectl.registry.state import CanaryRun

_READ: Final = {"canary": pl.Int64(), **ROWS}
_FILES: Final = 16  # read together: each call of Polars costs a busy server more than the rows do
_CLOCKS: Final = timedelta(hours=1)  # that clocks of machines may differ


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
        new = [file for file in self._files() if file not in self._seen]
        for start in range(0, len(new), _FILES):
            self._tally.add(self._read(some := new[start : start + _FILES]))
            self._seen |= set(some)
        return self._tally.figures()

    def _files(self) -> list[Path]:
        first = (self._run.started_at - _CLOCKS).strftime("%Y-%m-%d/%H%M%S")
        versions = (self._run.champion, self._run.challenger)
        found = [file for version in versions for file in self._folder.glob(f"v{version}/????-??-??/[!.]*.parquet")]
        return sorted(file for file in found if f"{file.parent.name}/{file.name}" >= first)

    def _read(self, files: Sequence[Path]) -> pl.DataFrame:
        """Return the rows of the canary: a prediction each. A file may be of a version that knew no canaries."""
        rows = pl.scan_parquet(list(files), schema=_READ, missing_columns="insert", extra_columns="ignore")
        try:
            return rows.filter(pl.col("canary") == self._run.number).select(*ROWS).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            if len(files) == 1:
                told = f"the prediction log can't be read: {files[0].name}: {error}"
                raise StoreError(told, code="FC603") from error
            return pl.concat([self._read([file]) for file in files])  # which one it is
