"""A source whose file is replaced while it is read: the run takes one of the two or refuses, the next one is right."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.errors import FeaturectlError
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.operations.materialize import planned_increment, table_increment
from featurectl.operations.materialize.table_increment import Materialized, materialize_view
from tests.definitions import ARRIVALS, LATEST
from tests.operations.materialize.killed import NOW, open_run, write_file

VIEW = replace(LATEST, source=replace(ARRIVALS, path="data/*.parquet", available_at=None))
STEPS = {
    "plan_increment": planned_increment,
    "typed_view": table_increment,
    "check_passed": table_increment,
    "write_rows": table_increment,
}


def materialize(root: Path) -> Materialized:
    return materialize_view(PolarsEngine(1 << 20, 2), open_run(root, view=VIEW), NOW)


def other(root: Path, number: int) -> Path:
    """Return a file, beside the source's own, of the same columns and other rows."""
    whole, beside = root / "data/0000.parquet", root / f"other-{number}.parquet"
    rows = pl.read_parquet(whole)
    changed = rows.with_columns(pl.col("arr_delay") + number + 1).head(rows.height - 100 * (number % 5 + 1))
    changed.write_parquet(beside)
    return beside


def check(root: Path) -> None:
    """The table has the rows of the file that is there now, all of them and no others."""
    assert materialize(root).action in ("rebuild", "append", "nothing")
    kept, there = open_run(root, view=VIEW).table.read(), pl.read_parquet(root / "data/0000.parquet")
    assert sorted(kept["arr_delay"].to_list()) == sorted(there["arr_delay"].to_list())


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.sample(1)
def test_a_file_replaced_between_two_steps_is_read_again_by_the_next_run(tmp_path, monkeypatch, step, first):
    write_file(tmp_path, 0)
    if not first:
        materialize(tmp_path)
        other(tmp_path, 1).replace(tmp_path / "data/0000.parquet")
    beside, call = other(tmp_path, 3), getattr(STEPS[step], step)

    def replaced(*given, **named):
        if beside.exists():
            beside.replace(tmp_path / "data/0000.parquet")
        return call(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(STEPS[step], step, replaced)
        materialize(tmp_path)
    assert not beside.exists()
    check(tmp_path)


@pytest.mark.stress
def test_a_file_that_is_replaced_again_and_again_is_right_once_it_stays(tmp_path):
    write_file(tmp_path, 0)
    moments, over = random.Random(4), threading.Event()
    files = [other(tmp_path, number).read_bytes() for number in range(6)]

    def replace_again() -> None:
        number = 0
        while not over.wait(moments.random() * 0.02):
            beside = tmp_path / "next.parquet"
            beside.write_bytes(files[number % len(files)])
            beside.replace(tmp_path / "data/0000.parquet")
            number += 1

    for _ in range(40):
        over.clear()
        thread = threading.Thread(target=replace_again)
        thread.start()
        for _ in range(3):
            with suppress(FeaturectlError):
                materialize(tmp_path)
        over.set()
        thread.join()
        check(tmp_path)
