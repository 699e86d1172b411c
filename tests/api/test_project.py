"""The Python API: what the command line gives, as frames."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import polars as pl
import pytest

import featurectl
from featurectl.core.errors import DataError, UsageError
from tests.cli.test_training_set import asked, manifest, ran, shop

__all__ = ["asked", "shop"]  # the fixtures


def test_a_training_set_is_what_the_command_writes(shop):
    ran(shop, "training-set", "back", "--out", "o.parquet", "--since", "2026-01-03T00:00:00Z", "--sample", "0.5")
    project = featurectl.open_project()
    rows, described = project.training_set("back", since=datetime(2026, 1, 3, tzinfo=UTC), sample=0.5)
    assert rows.equals(pl.read_parquet("o.parquet"))
    told = manifest("o.parquet")
    del told["file"]
    assert json.loads(json.dumps(described)) == told


def test_the_spine_is_a_frame_a_file_or_a_source(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = featurectl.open_project(shop.root)
    frame = pl.read_csv(shop.root / "data/asks.csv", try_parse_dates=True).with_columns(n=pl.col("n").cast(pl.UInt8))
    with pytest.warns(UserWarning, match="3 rows are before the first event that source orders holds now"):
        found = project.training_set("back", spine=frame)
    assert found.rows.schema["n"] == pl.UInt8
    with pytest.warns(UserWarning, match="the label back is null there"):
        source = project.training_set("back")
    assert found.rows.with_columns(pl.col("n").cast(pl.Int64)).equals(source.rows)
    renamed = frame.rename({"at": "event_time"})
    renamed.write_parquet("spine.parquet")
    features = ["spend:count_1d", "last_order:amount"]
    first = project.training_set(features=features, spine=renamed)
    assert first.rows.columns == ["customer", "event_time", "n", "count_1d", "amount"]
    assert first.rows.equals(project.training_set(features=features, spine="spine.parquet").rows)
    assert first.manifest["spine"]["origin"] == "frame in memory"


def test_a_manifest_of_a_frame_asks_for_the_frame_as_a_file(shop):
    frame = pl.read_csv("data/asks.csv", try_parse_dates=True).rename({"at": "event_time"})
    _, described = featurectl.open_project().training_set(features=["spend:*"], spine=frame)
    described["file"] = {"format": "parquet", "sha256": "", "bytes": 0}
    (shop.root / "m.json").write_text(json.dumps(described))
    command = ["training-set", "--from-manifest", "m.json", "--out", "o.parquet"]
    assert "the spine was a frame in memory" in shop.fails(64, *command)
    frame.write_parquet("spine.parquet")
    done = shop.run(*command, "--spine", "spine.parquet")
    assert (done.code, pl.read_parquet("o.parquet").height) == (1, 42)


@pytest.mark.usefixtures("shop")
def test_a_frame_with_numbers_that_no_expression_can_read_is_kept_as_it_is():
    frame = pl.DataFrame({"customer": ["a"], "event_time": ["2026-01-03T00:00:00Z"], "big": [2**64 - 1]})
    frame = frame.with_columns(pl.col("big").cast(pl.UInt64))
    rows = featurectl.open_project().training_set(features=["spend:count_1d"], spine=frame).rows
    assert rows.to_dicts() == [{**frame.row(0, named=True), "count_1d": 1}]


@pytest.mark.usefixtures("shop")
def test_as_served_is_an_option_here_too():
    spine = pl.DataFrame({"customer": ["a"], "event_time": [datetime(2026, 1, 2, 11, tzinfo=UTC)]})
    project = featurectl.open_project()
    found = [
        project.training_set(features=["spend:count_1d"], spine=spine, as_served=served).rows["count_1d"].to_list()
        for served in (False, True)
    ]
    assert found == [[1], [0]]


@pytest.mark.usefixtures("shop")
def test_online_values_come_as_a_frame_with_their_instants():
    project = featurectl.open_project()
    entities = pl.DataFrame({"other": [1, 2, 3], "customer": ["b", "nobody", None]})
    found = project.get("last_order", entities)
    assert found.columns == ["customer", "amount", "event_time", "available_at", "computed_at"]
    assert found["amount"].to_list() == [7.5, None, None]
    assert found["event_time"].to_list() == [datetime(2026, 1, 7, 10, tzinfo=UTC), None, None]
    counts = project.get("spend", entities)
    assert counts["count_1d"].to_list() == [1, 0, None]
    assert counts.schema["amount_sum_1d"] == pl.Float64
    assert project.get("everybody").select("count_lifetime").rows() == [(10,)]


@pytest.mark.usefixtures("shop")
def test_errors_are_the_librarys_own(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        featurectl.open_project(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no environment 'prod'"):
        featurectl.open_project(env="prod")
    project = featurectl.open_project()
    for wrong, told in (
        ({}, r"give a MODEL or features=\.\.\., one of them"),
        ({"model": "back", "features": ["spend:count_1d"]}, r"give a MODEL or features=\.\.\., one of them"),
        ({"features": ["spend"], "spine": "asks"}, "'spend' is not view:feature"),
        ({"model": "back", "sample": 2}, "sample=2 is no share"),
        ({"model": "back", "seed": -1}, "seed=-1 is no seed"),
        ({"model": "back", "since": datetime(2026, 1, 1)}, "2026-01-01 00:00:00 has no time zone"),  # noqa: DTZ001  # a time without a zone is meant
        ({"model": "back", "since": "soon"}, "soon is not an instant"),
        ({"model": "back", "spine": pl.DataFrame([pl.Series("x", [object()])])}, "column 'x' holds Python objects"),
    ):
        with pytest.raises(UsageError, match=told):
            project.training_set(**wrong)
    with pytest.raises(UsageError, match="key customer is missing") as caught:
        project.get("spend", {"custmer": "a"})
    assert caught.value.hint == 'did you mean "customer" by "custmer"? keys: customer'
    far = pl.DataFrame({"at": pl.Series([10**18]).cast(pl.Datetime("ms"))})
    with pytest.raises(DataError, match=r"spine frame in memory can't be read: .*out-of-range"):
        project.training_set("back", spine=far)
    with pytest.raises(DataError, match="has no column 'n'"):
        project.training_set("back", spine=pl.DataFrame({"customer": ["a"], "at": ["2026-01-03T00:00:00Z"]}))


@pytest.mark.usefixtures("shop")
def test_features_may_be_one_text_and_a_lazy_frame_is_no_spine():
    frame = pl.read_csv("data/asks.csv", try_parse_dates=True).rename({"at": "event_time"})
    project = featurectl.open_project()
    listed = project.training_set(features=["spend:count_1d", "last_order:amount"], spine=frame)
    assert project.training_set(features="spend:count_1d,last_order:amount", spine=frame).rows.equals(listed.rows)
    with pytest.raises(UsageError, match="has no feature 'count_1d,x'") as caught:
        project.training_set(features=["spend:count_1d,x"], spine=frame)
    assert caught.value.hint == "write spend:count_1d, spend:x"
    with pytest.raises(UsageError, match="LazyFrame"):
        project.training_set(features="spend:count_1d", spine=frame.lazy())


def test_a_call_sees_what_was_applied_since_the_project_was_opened(shop):
    project = featurectl.open_project()
    shop.change("objects.yaml", "windows: [1d]}, {column", "windows: [1d, 2d]}, {column")
    ran(shop, "apply", "--auto-approve")
    assert "count_2d" in project.training_set(features=["spend:*"], spine="asks").rows.columns


@pytest.mark.long
def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, featurectl; print(*sorted(m.split('.')[0] for m in sys.modules)); featurectl.open_project"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        set(done.stdout.split()) & {"polars", "numpy", "pydantic", "typer", "yaml", "sqlalchemy", "deltalake"} == set()
    )


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'featurectl' has no attribute 'nothing'"):
        featurectl.nothing  # noqa: B018
    assert {"open_project", "Project", "TrainingFrame"} <= set(featurectl.__all__)
