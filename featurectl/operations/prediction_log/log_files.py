"""The prediction log, read: which files there are, which may hold rows of a window, and their rows in batches.

Files are laid out as `serving/log/parquet.py` writes them, in a folder or in an object store:

    <offline>/<project>/predictions/<env>/<model>/v<version>/<day>/<time>-<host>-<process>-<number>.parquet

Day and time are of the clock when the file was written; no row in it was served later, unless clocks differ. Files of a
day may be replaced by larger ones: see `compacted_files.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from featurectl.core.errors import NoAnswerError, StoreError, TryAgainError, UsageError
from featurectl.core.object_store import is_unanswered, polars_options, refusal_of
from featurectl.core.units import moved_by
from featurectl.language.repo import Environment
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.plain_files import LooseFiles
from featurectl.operations.prediction_log.compacted_files import begins_at, covers, replaced_files, replaced_names
from featurectl.operations.prediction_log.event_columns import older_names
from featurectl.operations.prediction_log.place import predictions_folder
from featurectl.workspace.workspace import Workspace

_FILES: Final = 16  # read together: each call of Polars costs a busy server more than the rows do
_BYTES: Final = 2 << 20  # and no more of them, beyond the first, as a batch is held in memory
_CLOCKS: Final = timedelta(hours=1)  # that clocks of machines may differ
_VERSION: Final = re.compile(r"v([1-9]\d*)")
_BELOW: Final = len(("MODEL", "VERSION", "DAY", "FILE"))  # the parts of a file's path that hold no secret
_FILE: Final = re.compile(r"\d{4}-\d\d-\d\d/[^./][^/]*\.parquet")

Choose = Callable[[pl.LazyFrame], pl.LazyFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """A file: the version that answered, `written` (day, time and the rest of its name), where it is, its bytes."""

    version: int
    written: str
    path: str
    size: int


class PredictionLogFiles:
    """The log of one model; `folder` is a path or URL, and need not be there."""

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip("/")

    def versions(self) -> list[int]:
        """Return the versions that have a log.

        Raises:
            StoreError: FC603, the place can't be listed. UsageError: a package for it is not installed.
        """
        found = [_VERSION.fullmatch(name) for name in self._files().folders("")]
        return sorted(int(match[1]) for match in found if match)

    def files(
        self,
        versions: Collection[int] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[LogFile]:
        """Return the files that were written in a window, in that order; None: there is no end, or every version.

        Clocks may differ: some from just before or behind the window are among them. Those whose rows stand in another
        one are not.

        Raises:
            As `versions`.
        """
        first = "" if since is None else written_at(moved_by(since, -_CLOCKS))
        last = None if until is None else f"{written_at(moved_by(until, _CLOCKS))}~"
        loose = self._files()
        found: list[LogFile] = []
        for version in self.versions() if versions is None else versions:
            sizes = {
                written: size
                for path, size in loose.listed(f"v{version}", f"v{version}/{first}")
                if _FILE.fullmatch(written := path.partition("/")[2]) and (last is None or begins_at(written) <= last)
            }
            replaced = replaced_files(loose, f"v{version}", list(sizes))
            found += [
                LogFile(version=version, written=name, path=f"{self._folder}/v{version}/{name}", size=size)
                for name, size in sizes.items()
                if name not in replaced
            ]
        return sorted(found, key=lambda file: (file.written, file.version))

    def _files(self) -> LooseFiles:
        return open_loose(self._folder)


def written_at(instant: datetime) -> str:
    """Return how the names of files begin that are written at an instant."""
    return f"{instant.date().isoformat()}/{instant:%H%M%S}"


def open_log(workspace: Workspace, model: str) -> PredictionLogFiles:
    """Return the log of a model in the environment."""
    return PredictionLogFiles(f"{predictions_folder(workspace)}/{model}")


def require_sample(environment: Environment, purpose: str, instead: str = "") -> float:
    """Return the share of the requests that the environment logs.

    Raises:
        UsageError: it keeps no log; `purpose` says what it is needed for, `instead` what does without.
    """
    sample = environment.prediction_sample
    if sample is None or sample <= 0:
        message = f"environment {environment.name} has no prediction log, {purpose}"
        raise UsageError(message, hint=f"prediction_log: {{sample: 0.01}} in featurectl.yaml{instead}")
    return sample


def cut_batches(files: Sequence[LogFile]) -> Iterator[list[LogFile]]:
    """Yield files that are to be read together: not many, and not large ones."""
    some: list[LogFile] = []
    for file in files:
        if some and (len(some) == _FILES or sum(f.size for f in some) + file.size > _BYTES):
            yield some
            some = []
        some.append(file)
    if some:
        yield some


def read_schema(file: LogFile) -> pl.Schema:
    """Return the columns of a file.

    Raises:
        StoreError: FC603, it can't be read.
    """
    try:
        return pl.scan_parquet(
            file.path, glob=False, hive_partitioning=False, storage_options=polars_options(file.path)
        ).collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(file, error) from error


def read_rows(files: Sequence[LogFile], schema: Mapping[str, pl.DataType], choose: Choose) -> pl.DataFrame:
    """Return what `choose` makes of the rows of files that are read together; a column that a file lacks is null.

    Raises:
        StoreError: FC603, a file can't be read.
    """
    if not files:
        return choose(pl.LazyFrame(schema=schema)).collect()
    rows = pl.scan_parquet(
        [file.path for file in files],
        schema=schema,
        glob=False,
        hive_partitioning=False,
        missing_columns="insert",
        extra_columns="ignore",
        storage_options=polars_options(files[0].path),
    )
    try:
        return choose(rows).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        if len(files) == 1 and _is_gone(files[0]):
            return read_rows([], schema, choose)
        if len(files) == 1:
            older = _read_older(files[0], schema, choose)
            if older is None:
                raise _unreadable(files[0], error) from error
            return older
        return pl.concat([read_rows([file], schema, choose) for file in files])  # which one it is


def read_batches(files: Sequence[LogFile], schema: Mapping[str, pl.DataType], choose: Choose) -> Iterator[pl.DataFrame]:
    """Yield what `choose` makes of the rows of files, some files at a time, in their order.

    Raises:
        As `read_rows`.
    """
    return (read_rows(some, schema, choose) for some in cut_batches(files))


def _read_older(file: LogFile, schema: Mapping[str, pl.DataType], choose: Choose) -> pl.DataFrame | None:
    """Return what `choose` makes of a file whose names mean other columns by now; None: it is none of these.

    Raises:
        StoreError: FC603, it can't be read.
    """
    there = read_schema(file)
    now = older_names(there)
    if not now:
        return None
    columns = {now.get(name, name): name for name in there}
    wanted = [
        pl.col(columns[name]).alias(name) if name in columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in schema.items()
    ]
    options = polars_options(file.path)
    rows = pl.scan_parquet(file.path, glob=False, hive_partitioning=False, storage_options=options)
    try:
        return choose(rows.select(wanted)).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(file, error) from error


def _is_gone(file: LogFile) -> bool:
    """Return whether a file was removed since it was listed, as servers do with those that are too old.

    Raises:
        TryAgainError: its rows stand in another one by now.
    """
    top, name = file.path.removesuffix(f"/{file.written}"), file.written.rpartition("/")[2]
    loose = open_loose(top)
    try:
        if loose.read(file.written) is not None:
            return False
        large = [path for path, _ in loose.listed(file.written.partition("/")[0]) if covers(path, file.written)]
        moved = any(name in replaced_names(loose, path) for path in large)
    except StoreError:
        return False
    if moved:
        message = "files of the prediction log were made into larger ones while they were read"
        raise TryAgainError(message, hint="run it again")
    return True


def _unreadable(file: LogFile, error: Exception) -> StoreError:
    name = file.written.rpartition("/")[2]
    below = "/".join(file.path.split("/")[-_BELOW:])
    if is_unanswered(error):
        return NoAnswerError(f"the prediction log can't be read: {refusal_of(error)}", code="FC603")
    hint = f"move {below} out of the log to go on without its rows"
    return StoreError(f"the prediction log can't be read: {name}: {refusal_of(error)}", hint=hint, code="FC603")
