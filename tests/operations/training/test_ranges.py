"""Training sets whole and in ranges: the same rows and the same facts, whatever the memory."""

import json
from dataclasses import replace

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.model import Label
from featurectl.operations.outputs.parquet import write_parquet
from featurectl.operations.training.build import make_training_set
from featurectl.operations.training.label import LabelTarget
from featurectl.operations.training.manifest import describe_training_set
from featurectl.operations.training.request import ResolvedRequest, TrainingRequest
from tests.operations.training.test_training_set import INPUTS, LABEL, at, spine, views

__all__ = ["views"]  # the fixture
GIB = 1 << 30


def make(views, rows, room=None, memory=GIB, **more):
    asked = ResolvedRequest(
        request=TrainingRequest(model="m"), model=None, inputs=more.get("inputs", INPUTS), views=views
    )
    target = LabelTarget(label=more.get("label", LABEL))
    return make_training_set(PolarsEngine(memory, threads=1), asked, rows, target, room)


def spine_rows(count):
    return spine(
        carrier=[["A", "A", None, "Z"][i % 4] for i in range(count)],
        hour=[(7 * i) % 11 for i in range(count)],
        distance=[None if i % 5 == 0 else 100 * i for i in range(count)],
        outcome=[None if i % 6 == 0 else i % 30 for i in range(count)],
        tags=[[str(i)] * (i % 3) for i in range(count)],
    )


@pytest.mark.long
@pytest.mark.parametrize("memory", [1, 2_000, 9_000, 40_000])
@pytest.mark.sample(1)
def test_ranges_are_the_same_rows_facts_and_bytes(tmp_path, views, memory):
    rows = spine_rows(83 if memory > 1 else 23)
    whole = make(views, rows)
    with SpillRoom(tmp_path / "spill") as room:
        ranged = make(views, rows, room, memory)
        assert len(list(ranged.frames.read())) > 1
        assert pl.concat(ranged.frames.read()).equals(pl.concat(whole.frames.read()))
        assert describe_training_set(ranged) == describe_training_set(whole)
        for name, made in (("whole", whole), ("ranged", ranged)):
            write_parquet(made.frames, tmp_path / name)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "ranged").read_bytes()
    assert list((tmp_path / "spill").iterdir()) == []


def test_what_fits_is_joined_at_once_and_lies_in_no_file(tmp_path, views):
    with SpillRoom(tmp_path / "spill") as room:
        made = make(views, spine_rows(50), room)
        assert len(list(made.frames.read())) == 1
    assert not (tmp_path / "spill").exists()


def test_an_error_counts_the_rows_of_the_whole_spine(tmp_path, views):
    rows = spine_rows(203)
    texts = pl.Series(["1"] * 150 + ["x"] + ["1"] * 52)
    bad = replace(rows, rows=rows.rows.with_columns(distance=texts), own=rows.own.with_columns(distance=texts))
    told = set()
    for memory in (2_000, GIB):
        with SpillRoom(tmp_path / "spill") as room, pytest.raises(DataError) as caught:
            make(views, bad, room, memory)
        told.add(caught.value.message)
    (message,) = told
    assert "row 151" in message


def test_an_empty_spine_makes_an_empty_training_set(tmp_path, views):
    with SpillRoom(tmp_path / "spill") as room:
        made = make(views, spine_rows(9).part(0, 0), room, 1)
    assert (made.frames.height, describe_training_set(made)["null_rates"]["n"]) == (0, 0.0)


def test_the_manifest_tells_of_the_columns_as_the_model_sees_them(views):
    distance = pl.Series([1.0, float("nan"), None, 4.0], dtype=pl.Float32)
    outcome = pl.Series([1, 0, None, 1], dtype=pl.UInt8)
    rows = spine(distance=distance.cast(pl.Float64).fill_nan(None), outcome=outcome.cast(pl.Int64))
    rows = replace(rows, own=rows.own.with_columns(distance=distance, outcome=outcome))
    made = make(views, rows, label=Label(name="outcome", expression=None, dtype="int64"))
    assert (made.frames.schema["distance"], made.frames.schema["outcome"]) == (pl.Float32, pl.UInt8)
    manifest = describe_training_set(made)
    assert manifest["inputs"][0] == {"name": "distance", "kind": "request", "dtype": "float64"}
    assert manifest["null_rates"]["distance"] == 0.5
    assert manifest["label"] == {"name": "outcome", "null": 1, "counts": {"1": 2, "0": 1}}


def test_the_manifest_tells_versions_tables_counts_and_nulls(views):
    made = make(views, spine(distance=[100, 200, 300, 400], outcome=[20, None, 10, 16]))
    manifest = describe_training_set(made)
    assert json.loads(json.dumps(manifest)) == manifest
    assert manifest["rows"] == 4
    assert manifest["tables"] == {"delays@1": 0, "latest@1": 0}
    assert {label: len(digest) for label, digest in manifest["views"].items()} == {"delays@1": 64, "latest@1": 64}
    assert manifest["label"] == {"name": "is_late", "null": 1, "counts": {"true": 2, "false": 1}}
    assert list(manifest["null_rates"]) == manifest["columns"] == made.frames.schema.names()
    assert (manifest["null_rates"]["n"], manifest["null_rates"]["carrier"], manifest["null_rates"]["is_late"]) == (
        0.25, 0.25, 0.25,
    )  # fmt: skip
    described = manifest["inputs"][1]
    assert (described["name"], described["view"], described["version"]) == ("late_share", "delays", 1)
    assert described["dtype"] == "float64"
    assert len(described["fingerprint"]) == 64
    assert manifest["spine"]["sha256"] == made.spine.sha256()


def test_duplicates_are_rows_that_ask_what_an_earlier_one_asked(views):
    """Whatever else stands in them: equal keys, nulls included, at the equal time."""
    rows = spine(carrier=["A", "A", None, "A", None, "Z"], hour=[8, 8, 3, 3, 3, 8], distance=range(6), outcome=[1] * 6)
    assert rows.time[0] == at(8)
    assert describe_training_set(make(views, rows))["spine"]["duplicates"] == 2


@pytest.mark.long
@pytest.mark.parametrize(("distinct", "told"), [(20, 20), (21, 0)])
@pytest.mark.sample(1)
def test_labels_are_counted_where_there_are_few(tmp_path, views, distinct, told):
    rows = spine_rows(43)
    outcome = pl.Series([i % distinct for i in range(43)])
    rows = replace(rows, rows=rows.rows.with_columns(outcome=outcome), own=rows.own.with_columns(outcome=outcome))
    label = Label(name="outcome", expression=None, dtype="int64")
    for memory in (2_000, GIB):
        with SpillRoom(tmp_path / "spill") as room:
            counts = describe_training_set(make(views, rows, room, memory, label=label))["label"]["counts"]
        assert len(counts) == told
        assert sum(counts.values()) in (0, 43)
