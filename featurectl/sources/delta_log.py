"""What the log of a Delta table says that the library which reads it passes over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

_WORD: Final = b'"deletionVector"'
_ESCAPE: Final = b"\\u"  # which may spell it, too


def files_with_deletions(log: Path) -> frozenset[str]:
    """Return the data files, named as in the log, that a deletion vector goes with, whatever the protocol declares.

    The library heeds them only where the protocol of the table declares them: else deleted rows would be read.
    """
    newest: dict[str, bool] = {}
    checkpoints = list(log.glob("*.checkpoint*.parquet"))
    begin = max(map(_version, checkpoints), default="")  # it holds what was before
    for path in checkpoints:
        if _version(path) == begin:
            newest.update(_checkpoint(path))
    for path in sorted(log.glob("*.json"), key=_version):
        if _version(path) >= begin:
            newest.update(_commit(path.read_bytes(), known=bool(newest)))
    return frozenset(name for name, deleted in newest.items() if deleted)


def _version(path: Path) -> str:
    return path.name.partition(".")[0]


def _commit(content: bytes, *, known: bool) -> Iterator[tuple[str, bool]]:
    """Give the files that a commit adds, and whether each has a deletion vector; none when it can't matter."""
    if not known and _WORD not in content and _ESCAPE not in content:
        return
    for line in content.splitlines():
        try:
            action: Any = json.loads(line)
        except (ValueError, RecursionError):  # the library has read it otherwise, or will not
            continue
        add = action.get("add") if isinstance(action, dict) else None
        if isinstance(add, dict) and isinstance(add.get("path"), str):
            yield add["path"], add.get("deletionVector") is not None


def _checkpoint(path: Path) -> list[tuple[str, bool]]:
    schema = pl.read_parquet_schema(path).get("add")
    fields = {field.name: field.dtype for field in schema.fields} if isinstance(schema, pl.Struct) else {}
    if not {"path", "deletionVector"} <= fields.keys():
        return []
    add = pl.col("add").struct
    vector = add.field("deletionVector")
    if isinstance(fields["deletionVector"], pl.Struct):  # of which a null may be one of nulls
        vector = vector.struct.field("storageType")
    rows = pl.scan_parquet(path, glob=False).filter(add.field("path").is_not_null())
    return rows.select(add.field("path"), vector.is_not_null().alias("deleted")).collect().rows()
