"""Predictions of erased keys leave the log: its files are written anew without them, one after another.

Servers hold rows for some seconds before they write a file: it is looked again once that time is over.
"""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from featurectl.core.erasures import Erasures
from featurectl.core.errors import StoreError
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.plain_files import LooseFile, LooseFiles
from featurectl.operations.erased_rows.model_keys import EntityColumns, key_columns
from featurectl.operations.prediction_log.compacted_files import kept_metadata
from featurectl.operations.prediction_log.erased_mark import read_mark, write_mark
from featurectl.operations.prediction_log.place import LOGGED_EVERY_S, predictions_folder
from featurectl.pit.erased_rows import ErasedRows
from featurectl.registry.state import State
from featurectl.workspace.offline_folder import has_offline

_TIMES: Final = ("time", "logged_at")
_ASKED: Final = "request."  # before the name of a key that a column of the log's own has
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
            entities = _entities(state, model, version)
            for file in files.dated(folder):
                if seen.get(file.path) == file or not file.path.endswith(".parquet"):
                    continue
                seen[file.path] = file
                content = files.read(file.path)
                gone = None if content is None else _erased(content, request.erasures, entities, file.path)
                if content is not None and gone is not None and gone.any():
                    if act is not None:
                        act(files, file, content, gone)
                    yield f"prediction log {model}@{version.removeprefix('v')}", int(gone.sum()), file.size
                    if request.progress is not None:
                        request.progress.advance(len(seen), None, "files of the prediction log")


def _entities(state: State, model: str, version: str) -> EntityColumns | None:
    """Return the columns of the keys of the entities that a version reads; None where it is not known."""
    number = int(version.removeprefix("v")) if version.removeprefix("v").isdigit() else 0
    known = state.model_version(model, number)
    return None if known is None else key_columns(known, state)


def _erased(content: bytes, erasures: Erasures, entities: EntityColumns | None, path: str) -> pl.Series | None:
    """Return which rows of a file are of erased keys; None where it has no keys of such an entity."""
    try:
        names = pl.read_parquet_schema(io.BytesIO(content))
        found: pl.Series | None = None
        for entity, columns in _columns(names, erasures, entities):
            times = [name for name in _TIMES if name in names]
            rows = pl.read_parquet(io.BytesIO(content), columns=list(dict.fromkeys([*columns.values(), *times])))
            gone = ErasedRows(erasures=erasures, entity=entity, columns=columns).are(rows, *times)
            found = gone if found is None else found | gone
    except pl.exceptions.PolarsError as error:
        hint = f"move {path} out of the log, or remove it, and run it again"
        raise StoreError(f"the prediction log can't be read: {path}", code="FC603", hint=hint) from error
    return found


def _columns(
    names: Mapping[str, pl.DataType], erasures: Erasures, entities: EntityColumns | None
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the columns of a file that hold the keys of an entity of which some were erased, as far as it has them.

    Of a version that is not known they have the keys' own names.
    """
    for entity in dict.fromkeys(item.entity for item in erasures.tombstones):
        keys = {key for item in erasures.of(entity) for key in item.keys}
        for joined in [{key: key for key in keys}] if entities is None else entities.get(entity, []):
            logged = {
                key: f"{_ASKED}{joined[key]}" if f"{_ASKED}{joined[key]}" in names else joined[key] for key in keys
            }
            if all(column in names for column in logged.values()):
                yield entity, logged


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
