"""The prediction log of a canary: the rows of both versions that were written since it began."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.errors import StoreError
from featurectl.registry.state import CanaryRun

_SCHEMA: Final = pl.Schema(
    {
        "role": pl.String(), "server": pl.String(), "request": pl.Int64(), "entity": pl.Int64(),
        "logged_at": pl.Datetime("us", "UTC"), "score": pl.Float64(), "fault": pl.Boolean(),
        "latency_ms": pl.Float64(), "age_us": pl.Int64(),
    }
)  # fmt: skip
_NEEDED: Final = {"canary", *_SCHEMA} - {"age_us"}


class CanaryLog:
    """Reads what the log of a model has of one canary; a file that was read is not read again.

    `folder` is that of the model: `<offline>/<project>/predictions/<environment>/<model>`.
    """

    def __init__(self, folder: Path, run: CanaryRun) -> None:
        self._folder = folder
        self._run = run
        self._seen: set[Path] = set()
        self._rows = pl.DataFrame(schema=_SCHEMA)

    def read(self) -> pl.DataFrame:
        """Return all rows that are there by now: a prediction each, `age_us` that of its oldest feature.

        Raises:
            StoreError: FC603, a file can't be read.
        """
        new = [file for file in self._files() if file not in self._seen]
        frames = [self._read(file) for file in new]
        self._rows = pl.concat([self._rows, *frames], rechunk=True)
        self._seen |= set(new)
        return self._rows

    def _files(self) -> list[Path]:
        first = (self._run.started_at - timedelta(days=1)).strftime("%Y-%m-%d")  # of machines whose clocks differ
        versions = (self._run.champion, self._run.challenger)
        days = [day for version in versions for day in self._folder.glob(f"v{version}/????-??-??")]
        return sorted(file for day in days if day.name >= first for file in day.glob("[!.]*.parquet"))

    def _read(self, file: Path) -> pl.DataFrame:
        try:
            names = pl.read_parquet_schema(file)
            if not names.keys() >= _NEEDED:  # of a version that knew no canaries
                return self._rows.clear()
            computed = [name for name in names if name.startswith("computed_at.")]
            frame = pl.read_parquet(file, columns=sorted(_NEEDED | {"time", *computed}))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise StoreError(f"the prediction log can't be read: {file.name}: {error}", code="FC603") from error
        oldest = pl.min_horizontal(computed) if computed else pl.lit(None, pl.Datetime("us", "UTC"))
        own = frame.filter(pl.col("canary") == self._run.number)
        return own.with_columns((pl.col("time") - oldest).dt.total_microseconds().alias("age_us")).select(*_SCHEMA)
