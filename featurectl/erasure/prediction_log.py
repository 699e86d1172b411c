"""Predictions of erased keys leave the log: its files are written anew without them, one after another.

Servers hold rows for some seconds before they write a file: it is looked again once that time is over.
"""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.plain_files import LooseFile, LooseFiles
from featurectl.operations.erased_rows.erased_predictions import erased_rows, version_keys
from featurectl.operations.prediction_log.compacted_files import kept_metadata
from featurectl.operations.prediction_log.erased_mark import read_mark, write_mark
from featurectl.operations.prediction_log.place import LOGGED_EVERY_S, predictions_folder
from featurectl.workspace.offline_folder import has_offline

_MARGIN_S: Final = 2.0


class PredictionLogPlace:
    """The prediction log of the environment, a finding for each model version."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many predictions there are of erased keys."""
        return _findings(_each(_with_older(request)))

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Write the files anew that have any; and those that servers write meanwhile."""
        seen: dict[str, LooseFile] = {}
        request = _with_older(request)
        found = [*_each(request, _rewrite, seen)]
        if request.target.workspace.environment.prediction_sample is not None:
            newest = max(item.at for item in request.erasures.tombstones).timestamp()
            self._sleep(max(0.0, newest + LOGGED_EVERY_S + _MARGIN_S - time.time()))
            found += _each(request, _rewrite, seen)
        if has_offline(request.target.workspace):
            write_mark(_files(request), request.erasures.number)
        return _findings(found)


def _with_older(request: ErasureRequest) -> ErasureRequest:
    """Return a request for what was erased since the log was clean, too: it may have been restored."""
    return replace(request, erasures=request.and_since(read_mark(_files(request))))


def _files(request: ErasureRequest) -> LooseFiles:
    return open_loose(predictions_folder(request.target.workspace))


_Act = Callable[[LooseFiles, LooseFile, bytes, pl.Series], None]


def _each(
    request: ErasureRequest, act: _Act | None = None, seen: dict[str, LooseFile] | None = None
) -> Iterator[tuple[str, int, int]]:
    """Act on every file that has rows of erased keys, and give its model version, how many, and its bytes.

    Those in `seen` that are as they were are left out; it has all that were looked at behind it.
    """
    state = request.target.state
    files = _files(request)
    seen = {} if seen is None else seen
    for model in files.folders(""):
        for version in files.folders(model):
            folder = f"{model}/{version}"
            entities = version_keys(state, model, version)
            for file in files.dated(folder):
                if seen.get(file.path) == file or not file.path.endswith(".parquet"):
                    continue
                seen[file.path] = file
                content = files.read(file.path)
                gone = None if content is None else erased_rows(content, request.erasures, entities, file.path)
                if content is not None and gone is not None and gone.any():
                    if act is not None:
                        act(files, file, content, gone)
                    yield f"prediction log {model}@{version.removeprefix('v')}", int(gone.sum()), file.size
                    if request.progress is not None:
                        request.progress.advance(len(seen), None, "files of the prediction log")


def _rewrite(files: LooseFiles, file: LooseFile, content: bytes, gone: pl.Series) -> None:
    """Write a file in place of itself without some rows."""
    out = io.BytesIO()
    rows = pl.read_parquet(io.BytesIO(content)).filter(~gone)
    rows.write_parquet(out, compression="zstd", metadata=kept_metadata(content))
    files.write(file.path, out.getvalue())


def _findings(found: Iterator[tuple[str, int, int]] | Sequence[tuple[str, int, int]]) -> list[PlaceFindings]:
    rows: dict[str, int] = defaultdict(int)
    size: dict[str, int] = defaultdict(int)
    for place, count, rewritten in found:
        rows[place] += count
        size[place] += rewritten
    return [
        PlaceFindings(place=place, rows=count, what="predictions", rewritten=size[place])
        for place, count in sorted(rows.items())
    ]
