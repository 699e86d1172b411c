"""Statistics of columns in a table's log: ours are of the clocks alone, and others may hold the values of keys.

Who compacts a table with another program writes the least and the greatest value of every column into its log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import polars as pl
from deltalake import DeltaTable
from polars.exceptions import PolarsError

from featurectl.core.documents import parse_json
from featurectl.core.object_store import delta_options, polars_options
from featurectl.offline.files import CLOCKS, LOG
from featurectl.offline.plain_files import LooseFiles

_COMMIT: Final = re.compile(r"\d{20}\.json")
_CHECKPOINT: Final = re.compile(r"\d{20}\.checkpoint.*\.parquet")
_SUM: Final = re.compile(r"\.?\d{20}.*\.crc")  # of another program, which may list statistics, and is of the old bytes
_OF_COLUMNS: Final = ("minValues", "maxValues", "nullCount")
_LAST: Final = "_last_checkpoint"


def remove_statistics(files: LooseFiles, folder: str, location: str) -> bool:
    """Take the statistics of all columns but the clocks out of a table's log; return whether there were any.

    `folder` is the table's below `files`, `location` its own. Every commit stays what it was but for them. A table
    can be read at every moment: a checkpoint goes when the commits have none any more, and is made anew.

    Raises:
        StoreError: FC603, the log can't be read or written.
        DeltaError: it is none.
    """
    log = f"{folder}/{LOG}"
    names = [path.rpartition("/")[2] for path in files.marks(log)]
    found = [name for name in sorted(names) if _COMMIT.fullmatch(name) and _rewrite(files, f"{log}/{name}")]
    old = [name for name in names if _CHECKPOINT.fullmatch(name) and _has_others(f"{location}/{LOG}/{name}")]
    if found or old:
        files.remove_files([f"{log}/{name}" for name in names if _SUM.fullmatch(name)])
    if old:
        _make_checkpoint(files, log, location, old, is_whole=f"{0:020}.json" in names)
    return bool(found or old)


def _make_checkpoint(files: LooseFiles, log: str, location: str, old: Sequence[str], *, is_whole: bool) -> None:
    """Put a checkpoint in place of others; where commits are gone, which others have cut, it is made of the others."""
    gone = [f"{log}/{name}" for name in (_LAST, *old)]
    if is_whole:
        files.remove_files(gone)
    table = DeltaTable(location, storage_options=delta_options(location))
    table.create_checkpoint()
    if not is_whole:
        own = f"{log}/{table.version():020}.checkpoint"
        files.remove_files([path for path in gone[1:] if not path.startswith(own)])


def _rewrite(files: LooseFiles, path: str) -> bool:
    """Write a commit again without statistics of other columns; return whether it had any."""
    content = files.read(path)
    if content is None or not any(f'{name}\\"'.encode() in content for name in _OF_COLUMNS):
        return False
    lines = content.decode().splitlines()
    made = [_without_others(line) for line in lines]
    if made == lines:
        return False
    files.write(path, "".join(f"{line}\n" for line in made).encode())
    return True


def _without_others(line: str) -> str:
    """Return an action without statistics of other columns than the clocks."""
    with suppress(ValueError, TypeError, AttributeError):
        action = parse_json(line)
        for each in (action.get("add"), action.get("remove")):
            if each and each.get("stats") and (less := _of_clocks(each["stats"])) != each["stats"]:
                each["stats"] = less
                line = json.dumps(action, separators=(",", ":"), ensure_ascii=False)
    return line


def _of_clocks(stats: str) -> str:
    """Return the statistics of a file as they are, or those of the clocks alone where there are others.

    >>> _of_clocks('{"numRecords": 2, "minValues": {"card": "c1", "event_time": "1970-01-01T00:00:00Z"}}')
    '{"numRecords":2,"minValues":{"event_time":"1970-01-01T00:00:00Z"}}'
    """
    document: Mapping[str, Any] = parse_json(stats)
    if not _others(document):
        return stats
    less = {
        key: {name: value for name, value in part.items() if name in CLOCKS} if key in _OF_COLUMNS else part
        for key, part in document.items()
    }
    return json.dumps(less, separators=(",", ":"))


def _others(document: Mapping[str, Any]) -> bool:
    return any(document.get(key, {}).keys() - set(CLOCKS) for key in _OF_COLUMNS)


def _has_others(path: str) -> bool:
    """Return whether a checkpoint has statistics of other columns; one that can't be read may."""
    try:
        scan = pl.scan_parquet(path, glob=False, hive_partitioning=False, storage_options=polars_options(path))
        actions = scan.select(pl.col("add").struct.field("stats").alias("add")).drop_nulls().collect()
        kinds = dict(scan.collect_schema())["add"]
    except (PolarsError, OSError):
        return True
    typed = isinstance(kinds, pl.Struct) and any(field.name == "stats_parsed" for field in kinds.fields)
    return typed or any(_others(parse_json(text)) for text in actions["add"])
