"""The programs of the speed table run, and all of them find the same."""

import pytest

from benchmarks.pit import ours
from benchmarks.pit.__main__ import rival, windows
from benchmarks.pit.data import Shape, write_states
from benchmarks.pit.measure import Cost
from benchmarks.pit.table import Line, compare, render

pytestmark = pytest.mark.long  # of programs that measure, not of the package

RIVALS = {
    "range join": ("duckdb_range_join", False, 0.25),
    "frames, sorted": ("duckdb_frames", True, 0.5),
    "rolling": ("polars_rolling", False, None),
}


def equal_in_all(lines):
    return [(line.ours.failed, line.theirs.failed, line.equal.partition(",")[0]) for line in lines]


def test_windows_over_composite_keys_are_those_of_duckdb_and_polars(tmp_path):
    shape = Shape(rows=20_000, spine=1_000, keys=60, keys_kind="composite", skewed=True)
    lines = list(windows(tmp_path, 1, shape, RIVALS))
    assert equal_in_all(lines) == [("", "", "equal")] * 3


@pytest.mark.stress
def test_windows_over_rows_that_are_known_late_are_those_of_duckdb(tmp_path):
    shape = Shape(rows=20_000, spine=1_000, keys=60, keys_kind="string", late=True)
    lines = list(windows(tmp_path, 1, shape, {"range join": RIVALS["range join"]}))
    assert equal_in_all(lines) == [("", "", "equal")]


def test_states_are_those_of_polars(tmp_path):
    data, repo, mine, out = (tmp_path / name for name in ("states", "repo", "ours.parquet", "theirs.parquet"))
    shape = Shape(rows=5_000, spine=1_000, keys=60)
    write_states(data, shape)
    ours.write_states(repo, data, shape)
    assert not ours.materialize(repo).failed
    assert not ours.training_set(repo, mine).failed
    assert not rival("polars_asof", data, out, "state-*.parquet").failed
    assert compare(mine, out) == "equal, 17,000 cells"
    assert not rival("polars_asof_own", data, out, str(repo / "off" / "bench")).failed
    assert compare(mine, out) == "equal, 17,000 cells"


def test_a_line_shows_the_ratio_and_a_rival_that_was_not_done():
    cost = Cost(seconds=1.5, cpu_seconds=2.0, peak_mb=900.0)
    late = Cost(seconds=300.0, failed="not done after 300 s")
    line = Line(work="w", rival="r", ours=cost, theirs=late, equal="-", goal=0.1)
    assert (
        render([line]).splitlines()[2]
        == "| w | 1.5 s (2.0 CPU), 900 MB | r | not done after 300 s | < 0.01 | 0.10 | - |  |"
    )
