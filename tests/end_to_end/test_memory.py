"""Commands with little memory keep to it, and write what they write with much."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.pit import ours
from benchmarks.pit.data import Shape, write_events
from featurectl.cli.main import main

SAMPLE = Shape(rows=700_000, spine=450_000, keys=20_000)
WHOLE = Shape(rows=2_000_000, spine=1_400_000, keys=20_000)
LITTLE_MIB, WIDE_MIB = 512, 560  # the peak is asserted with room for another allocator's habits


@pytest.mark.parametrize("shape", [SAMPLE, pytest.param(WHOLE, marks=pytest.mark.stress)], ids=["sample", "whole"])
@pytest.mark.long
def test_little_memory_is_kept_to_and_changes_no_byte(shape, tmp_path):
    data, repo = tmp_path / "data", tmp_path / "repo"
    write_events(data, shape)
    ours.write_windows(repo, data, shape)
    made = {}
    for size in (f"{LITTLE_MIB}MiB", "8GiB"):
        out = tmp_path / "out.parquet"
        costs = ours.materialize(repo, memory=size), ours.training_set(repo, out, size)
        assert [cost.failed for cost in costs] == ["", ""]
        table = {path.name.split("-")[-1]: path.read_bytes() for path in (repo / "off").rglob("*.parquet")}
        made[size] = table, out.read_bytes()
        if size != "8GiB":
            assert max(cost.peak_mb for cost in costs) < WIDE_MIB
    little, much = made.values()
    assert little == much
    assert not list((repo / ".featurectl" / "spill").glob("*"))


@pytest.mark.parametrize("size", ["256MiB", "lots"])
def test_a_size_that_could_not_be_kept_to_is_refused_with_the_smallest(size, tmp_path, monkeypatch, capsys):
    (tmp_path / "featurectl.yaml").write_text('project: p\nenvironments:\n  dev: {registry: "sqlite:///r.db"}\n')
    monkeypatch.chdir(Path(tmp_path))
    assert main(["training-set", "--features", "a:b", "--out", "o.parquet", "--memory", size]) == 64
    assert "no size of at least 512MiB" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "asked", "apart"), [(512, "", True), (4096, "", False), (512, "1000000000", False)])
def test_with_little_memory_large_results_lie_apart_whatever_was_freed(size, asked, apart, monkeypatch):
    if asked:
        monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", asked)  # whoever sets it means it
    found = subprocess.check_output([sys.executable, "-c", LOOK, str(size << 20)], text=True)
    assert found.strip() == str(apart)


LOOK = """
import ctypes, sys
from featurectl.core.memory import prepare_for

class Counts(ctypes.Structure):  # struct mallinfo2 of glibc; hblks are the pieces of memory that lie apart
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks a b c d e f".split()]

prepare_for(int(sys.argv[1]))
count = ctypes.CDLL(None).mallinfo2
count.restype = Counts
bytearray(24 << 20)  # by itself, glibc would keep what is no larger from now on
before = count().hblks
kept = bytearray(2 << 20)
print(count().hblks > before)
"""
