"""Files of the prediction log that stand for many: by their names, and by those that they replace.

    <day>/<last>-since.<first>.<digest>.parquet

They hold the rows of small files of a day; `first` and `last` are the times in the names of those. Their names stand in
the metadata of the Parquet file, and as long as they are there, too, readers leave them out.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.core.documents import parse_json
from featurectl.core.errors import StoreError
from featurectl.offline.plain_files import LooseFiles

_REPLACES: Final = "featurectl.replaces"
_STAMP: Final = len("2026-01-08/093000")
_PLAIN: Final = re.compile(r"\d{4}-\d\d-\d\d/\d{6}-[^./][^/]*\.parquet")
_COMPACTED: Final = re.compile(r"(\d{4}-\d\d-\d\d)/(\d{6})-since\.(\d{6})\.[0-9a-f]{16}\.parquet")


def is_plain(written: str) -> bool:
    """Return whether a file, by day and name, is one that a server has written."""
    return bool(_PLAIN.fullmatch(written)) and not _COMPACTED.fullmatch(written)


def begins_at(written: str) -> str:
    """Return the day and time in the name of the first file whose rows a file has."""
    found = _COMPACTED.fullmatch(written)
    return f"{found[1]}/{found[3]}" if found else written


def covers(written: str, other: str) -> bool:
    """Return whether a file, by day and name, may stand for another one."""
    return bool(_COMPACTED.fullmatch(written)) and begins_at(written) <= other[:_STAMP] <= written[:_STAMP]


def compacted_name(names: Sequence[str]) -> str:
    """Return the name of the file that stands for some of its day, given in order."""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    time = _STAMP - len("2026-01-08/")
    return f"{names[-1][:time]}-since.{names[0][:time]}.{digest}.parquet"


def compacted_content(rows: pl.DataFrame, names: Sequence[str]) -> bytes:
    """Return the bytes of a file that has the rows of those with some names."""
    content = io.BytesIO()
    rows.write_parquet(content, compression="zstd", metadata={_REPLACES: json.dumps(names)})
    return content.getvalue()


def kept_metadata(content: bytes) -> dict[str, str]:
    """Return what a file says of those that it stands for, for another one that is to stand for them."""
    found = pl.read_parquet_metadata(io.BytesIO(content)).get(_REPLACES)
    return {} if found is None else {_REPLACES: found}


def replaced_names(files: LooseFiles, path: str, *, skip_broken: bool = False) -> frozenset[str]:
    """Return the names of the files that the one at a path stands for; none where it is gone by now.

    With `skip_broken` one that doesn't say so stands for none.

    Raises:
        StoreError: FC603, it can't be read.
    """
    content = files.read(path)
    if content is None:
        return frozenset()
    try:
        return frozenset(parse_json(pl.read_parquet_metadata(content)[_REPLACES]))
    except (OSError, KeyError, ValueError, TypeError, pl.exceptions.PolarsError) as error:
        if skip_broken:
            return frozenset()
        message = f"the prediction log can't be read: {path.rpartition('/')[2]} says not which files it stands for"
        raise StoreError(message, code="FC603") from error


def replaced_files(
    files: LooseFiles, folder: str, written: Sequence[str], *, skip_broken: bool = False
) -> Mapping[str, str]:
    """Return which of the files of a version (by day and name) another one stands for, and which that is.

    Raises:
        As `replaced_names`.
    """
    by_day: dict[str, list[str]] = {}
    for name in written:
        by_day.setdefault(name.partition("/")[0], []).append(name)
    found: dict[str, str] = {}
    for day, names in by_day.items():
        larges = [name for name in names if _COMPACTED.fullmatch(name)]
        plain = [name for name in names if is_plain(name)] if larges else []
        for large in larges:
            first, last = begins_at(large), large[:_STAMP]
            covered = [name for name in plain if first <= name[:_STAMP] <= last]
            replaced = (
                replaced_names(files, f"{folder}/{large}", skip_broken=skip_broken) if covered else frozenset[str]()
            )
            found |= {name: large for name in covered if name.removeprefix(f"{day}/") in replaced}
    return found
