"""Rows of erased keys in files of the prediction log: which they are, and files read without them.

A log that was restored from before an erasure has them until it is cleaned, as its mark says. Who counts predictions
leaves them out, at the price of reading the keys of each file first; of a log that is clean nothing is looked at.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from featurectl.core.erasures import Erasures
from featurectl.core.errors import StoreError
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.erased_rows.model_keys import EntityColumns, key_columns
from featurectl.operations.prediction_log.erased_mark import read_mark
from featurectl.operations.prediction_log.log_files import Choose, LogFile, cut_batches, read_rows
from featurectl.operations.prediction_log.place import predictions_folder
from featurectl.pit.erased_rows import ErasedRows
from featurectl.registry.state import State
from featurectl.workspace.workspace import Workspace

_TIMES: Final = ("time", "logged_at")
_ASKED: Final = "request."  # before the name of a key that a column of the log's own has
_PLACE: Final = "\x00place"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedPredictions:
    """What may be in the log of a model of erased keys, by the number of a version: its columns of keys."""

    erasures: Erasures
    entities: Mapping[int, EntityColumns | None]

    def read(self, file: LogFile, schema: Mapping[str, pl.DataType], choose: Choose) -> pl.DataFrame:
        """Return what `choose` makes of the rows of a file that are not erased; one that is written anew is read anew.

        Raises:
            StoreError: FC603, it can't be read.
        """
        folder, _, name = file.path.rpartition("/")
        while True:
            content = open_loose(folder).read(name)
            gone = self._gone(file, content)
            if gone is None or not gone.any():
                return read_rows([file], schema, choose)  # no cleaning gives it rows
            rows = read_rows([file], schema, partial(_without, gone.arg_true(), choose))
            if content == open_loose(folder).read(name):  # the places are those of the rows that were read
                return rows

    def _gone(self, file: LogFile, content: bytes | None) -> pl.Series | None:
        if content is None:
            return None
        return erased_rows(content, self.erasures, self.entities.get(file.version), file.written)


def _without(places: pl.Series, choose: Choose, rows: pl.LazyFrame) -> pl.LazyFrame:
    numbered = rows.with_row_index(_PLACE).filter(~pl.col(_PLACE).is_in(places.implode()))
    return choose(numbered.drop(_PLACE))


def may_be_erased(workspace: Workspace, model: str) -> ErasedPredictions | None:
    """Return what the log of a model may have of erased keys; None where it is clean.

    Raises:
        StoreError: the log, or the registry, can't be read.
    """
    known = workspace.erasures()
    mark = read_mark(open_loose(predictions_folder(workspace))) if known else 0
    if mark >= known.number:
        return None
    state = workspace.state()
    versions = [version for version in state.model_versions if version.model == model]
    return ErasedPredictions(
        erasures=known.after(mark), entities={version.version: key_columns(version, state) for version in versions}
    )


def read_kept(
    files: Sequence[LogFile], schema: Mapping[str, pl.DataType], choose: Choose, erased: ErasedPredictions | None
) -> Iterator[pl.DataFrame]:
    """Yield what `choose` makes of the rows of files, some files at a time, without those that are erased.

    Raises:
        StoreError: FC603, a file can't be read.
    """
    if erased is None:
        yield from (read_rows(some, schema, choose) for some in cut_batches(files))
    else:
        yield from (erased.read(file, schema, choose) for file in files)


def version_keys(state: State, model: str, version: str) -> EntityColumns | None:
    """Return the columns of the keys of the entities that a version ("v2") reads; None where it is not known."""
    number = int(version.removeprefix("v")) if version.removeprefix("v").isdigit() else 0
    known = state.model_version(model, number)
    return None if known is None else key_columns(known, state)


def erased_rows(content: bytes, erasures: Erasures, entities: EntityColumns | None, path: str) -> pl.Series | None:
    """Return which rows of a file are of erased keys; None where it has no keys of such an entity.

    Raises:
        StoreError: FC603, it is no file of a log; `path` is its name.
    """
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
