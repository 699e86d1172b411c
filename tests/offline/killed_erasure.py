"""What a process does that erases rows of a table, and is killed at one of the steps that change something."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

import featurectl.offline.erasable_table as erasing
from featurectl.core.erasures import Erasures
from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore, ViewTable
from featurectl.offline.files import write_file
from featurectl.offline.folder import FolderFiles
from featurectl.offline.rows import FrameRows
from tests.offline.table_rows import KEYS, table_rows
from tests.tombstones import erased, tombstone

CANARY = "canary-2718281828"


def known() -> Erasures:
    """Return that the canary is erased."""
    return erased(tombstone("leg", ["carrier"], [CANARY], datetime(2100, 1, 1, tzinfo=UTC)))


def open_table(root: Path, *, knows: bool = True) -> ViewTable:
    """Return the table, of several buckets, of a store that knows of the erasure or not."""
    provider = (lambda _: known()) if knows else None
    return DeltaStore(str(root), "p", rows_per_bucket=16, known_erasures=provider).table("delays", 1, KEYS, "leg")


def make_table(root: Path) -> None:
    """Write a table of three versions, the rows of each partly the canary's; one file has lost its commit."""
    for number in range(3):
        rows = table_rows(60, start=number * 60)
        mine = pl.when(pl.col("number") == number).then(pl.lit(CANARY)).otherwise("carrier").alias("carrier")
        open_table(root, knows=False).append(FrameRows(rows.with_columns(mine), tuple(KEYS)), Coverage())
    stray = root / "p" / "delays" / "v1" / "bucket=0" / f"part-{'a' * 20}-0.parquet"
    table_rows(9).with_columns(carrier=pl.lit(CANARY)).write_parquet(stray)


def erase(root: Path, step: int) -> int:
    """Erase the canary, and be killed before a step, or after it where its number is odd. Return 0 if it was none."""
    done = [0]

    def stepped(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*args: Any) -> Any:
            _die_at(step, done)
            found = act(*args)
            _die_at(step, done)
            return found

        return acting

    ViewTable._log = stepped(ViewTable._log)  # type: ignore[method-assign]  # noqa: SLF001  # kills at it
    FolderFiles.remove_files = stepped(FolderFiles.remove_files)  # type: ignore[method-assign]
    erasing.write_file = stepped(write_file)  # type: ignore[attr-defined]
    open_table(root).remove_erased(known(), {})
    return 0


def _die_at(step: int, done: list[int]) -> None:
    if done[0] == step:
        os.kill(os.getpid(), signal.SIGKILL)
    done[0] += 1
