"""What the log of a Delta table says that the library which reads it passes over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import polars as pl

from featurectl.core.documents import parse_json_values

_WORD: Final = b'"deletionVector"'
_ESCAPE: Final = b"\\u"  # which may spell it, too
_COMMIT: Final = re.compile(r"\d{20}\.json")
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint\.parquet")
_SUMMARY: Final = re.compile(r"(?:\d{20}\.)?(?P<version>\d{20})\.(?:checkpoint(?:\..+)?\.parquet|compacted\.json)")


def files_with_deletions(log: Path) -> frozenset[str]:
    """Return the data files, named as in the log, that a deletion vector goes with, whatever the protocol declares.

    The library heeds them only where the protocol of the table declares them: else deleted rows would be read. By what
    commits say of a file last, and what summaries of commits behind that say: those that the library may pass over, as
    checkpoints that are not whole, take no deletions back. The library reads no commit behind a whole checkpoint: one
    that is damaged there says nothing.

    Raises:
        ValueError: a commit after the last checkpoint is no JSON. OSError: a file can't be read.
    """
    deleted: set[str] = set()
    for version, is_summary, path in sorted(_dated(log)):
        try:
            found = list(_summary(path) if path.suffix == ".parquet" else _commit(path, known=bool(deleted)))
        except ValueError:
            if is_summary or version > _last_checkpoint(log):
                raise
            continue
        if not is_summary:
            deleted -= {name for name, _ in found}
        deleted |= {name for name, has_deletions in found if has_deletions}
    return frozenset(deleted)


def _dated(log: Path) -> Iterator[tuple[str, bool, Path]]:
    """Yield the files of a log with the version that they lead to, and whether they stand for commits before it."""
    for path in log.iterdir():
        if _COMMIT.fullmatch(path.name):
            yield path.name.partition(".")[0], False, path
        elif found := _SUMMARY.fullmatch(path.name):
            yield found["version"], True, path


def _last_checkpoint(log: Path) -> str:
    """Return the version of the newest whole checkpoint; "", which is before all, where there is none."""
    found = (_CHECKPOINT.fullmatch(path.name) for path in log.iterdir())
    return max((name[1] for name in found if name and _is_checkpoint(log / name[0])), default="")


def _is_checkpoint(path: Path) -> bool:
    with suppress(pl.exceptions.PolarsError):
        return "add" in pl.read_parquet_schema(path)
    return False


def _commit(path: Path, *, known: bool) -> Iterator[tuple[str, bool]]:
    """Give the files that a commit adds, and whether each has a deletion vector; none when it can't matter."""
    content = path.read_bytes()
    if not known and _WORD not in content and _ESCAPE not in content:
        return
    try:
        for action in parse_json_values(content.decode("utf-8", "replace")):
            add: Any = action.get("add") if isinstance(action, dict) else None
            if isinstance(add, dict) and isinstance(add.get("path"), str):
                yield add["path"], add.get("deletionVector") is not None
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON: {error}") from error


def _summary(path: Path) -> list[tuple[str, bool]]:
    """Give the files of a checkpoint, or of a part of one; none of what is no Parquet, which the library can't read."""
    with suppress(pl.exceptions.PolarsError):
        schema = pl.read_parquet_schema(path).get("add")
        fields = {field.name: field.dtype for field in schema.fields} if isinstance(schema, pl.Struct) else {}
        if fields.get("path") == pl.String and "deletionVector" in fields:
            add = pl.col("add").struct
            vector = add.field("deletionVector")
            if isinstance(fields["deletionVector"], pl.Struct):  # of which a null may be one of nulls
                vector = vector.struct.field("storageType")
            rows = pl.scan_parquet(path, glob=False).filter(add.field("path").is_not_null())
            return rows.select(add.field("path"), vector.is_not_null().alias("deleted")).collect().rows()
    return []
