"""A repository whose sources arrive as two files, materialized step by step."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import polars as pl

from tests.end_to_end.flights import SOURCES, Repository
from tests.end_to_end.perturb import AVAILABLE


def split_sources(repository: Repository, until: datetime) -> dict[str, pl.DataFrame]:
    """Let each source be `NAME*.parquet` with the rows reported up to `until`; return the rest, by name."""
    path = repository.root / "sources.yaml"
    text, rest = path.read_text(), {}
    for name in SOURCES:
        text = text.replace(f"data/{name}.parquet", f"data/{name}*.parquet")
        rows = repository.rows(name)
        rows.filter(pl.col(AVAILABLE) <= until).write_parquet(repository.data(name))
        rest[name] = rows.filter(pl.col(AVAILABLE) > until)
    path.write_text(text)
    return rest


def add_files(repository: Repository, rows: dict[str, pl.DataFrame]) -> None:
    """Put a second file beside that of each source."""
    for name, more in rows.items():
        more.write_parquet(repository.data(f"{name}_2"))


def late_rows(repository: Repository, since: datetime, hours: int) -> int:
    """Return how many events were reported after `since` though they had happened hours before it."""
    before = pl.lit(since) - pl.duration(hours=hours)
    counts = [
        rows.filter((pl.col(event) <= before) & (pl.col(AVAILABLE) > since)).height
        for rows, event in ((repository.rows(name), event) for name, event in SOURCES.items())
    ]
    return sum(counts)


def tables_below(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and the time of change of every file of an offline location but the records of runs."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and "runs" not in path.relative_to(folder).parts
    }


def blank_rows(path: Path) -> None:
    """Overwrite the pages of a Parquet file with zeros: its schema can be read, its rows can't; size and time stay."""
    status, content = path.stat(), bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    content[4:-footer] = bytes(len(content) - footer - 4)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
