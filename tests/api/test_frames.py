"""Frames of pandas, Polars and Arrow in, and the same kind out: the same values whichever is given."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import featurectl
from featurectl.api import frames
from featurectl.core.errors import DataError, UsageError

ROWS = {
    "customer": ["c1", "c2", "nobody", None, "c1"],
    "event_time": [datetime(2026, 1, day, 12, tzinfo=UTC) for day in (9, 10, 11, 12, 8)],
    "n": [1, 2, 3, 4, 5],
}
POLARS = pl.DataFrame(ROWS)
KINDS = {"polars": POLARS, "pandas": pd.DataFrame(ROWS), "arrow": pa.table(POLARS.to_arrow())}


@pytest.fixture
def project(shared_project: featurectl.Project) -> featurectl.Project:
    """The shared project, which no test here changes."""
    return shared_project


def polars_of(frame: object) -> pl.DataFrame:
    """Return a frame in the types of Polars, to be compared."""
    found = frames.to_polars(frame, "the result")
    return found.with_columns(pl.col(pl.Datetime).cast(pl.Datetime("us", "UTC")))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sample(1)
def test_a_training_set_has_the_kind_and_the_values_of_its_spine(project, kind):
    rows, manifest = project.training_set(features="spend:*,history:amount", spine=KINDS[kind])
    assert frames.kind_of_frame(rows) == kind
    expected = project.training_set(features="spend:*,history:amount", spine=POLARS).rows
    assert polars_of(rows).equals(expected)
    assert manifest["rows"] == 5


@pytest.mark.parametrize("kind", KINDS)
def test_online_values_have_the_kind_of_the_entities(project, kind):
    found = project.get("spend", KINDS[kind])
    assert frames.kind_of_frame(found) == kind
    assert polars_of(found).equals(project.get("spend", POLARS))


def test_one_entity_is_a_mapping_and_so_are_its_values(project):
    frame = project.get("spend", pl.DataFrame({"customer": ["c1"]}))
    assert project.get("spend", {"customer": "c1"}) == frame.row(0, named=True)
    day = project.get("last_order", {"customer": "c1", "day": date(2026, 1, 12)})
    assert day["day"] == date(2026, 1, 12)


def test_several_entities_may_be_a_mapping_of_lists(project):
    found = project.get("spend", {"customer": ["c1", "nobody"]})
    assert found.equals(project.get("spend", pl.DataFrame({"customer": ["c1", "nobody"]})))


@pytest.mark.parametrize(
    "column", [pd.Series, np.array, pl.Series, pa.array, pd.Index, tuple, lambda names: pd.Series(names, index=[7, 7])]
)
def test_several_entities_may_be_a_mapping_of_columns(shared_project, column):
    found = shared_project.get("spend", {"customer": column(["c1", "nobody"])})
    assert found.equals(shared_project.get("spend", {"customer": ["c1", "nobody"]}))


def test_keys_of_numpy_are_one_entity_each(shared_project):
    one = shared_project.get("spend", {"customer": np.str_("c1")})
    assert one == shared_project.get("spend", {"customer": "c1"})


def test_columns_of_several_lengths_are_no_entities(shared_project):
    with pytest.raises(UsageError, match=r"(?s)made of customer, day\n.*2 of customer, 1 of day"):
        shared_project.get("last_order", {"customer": ["c1", "c2"], "day": date(2026, 1, 12)})


def test_a_version_and_features_of_a_view_are_read_as_by_the_command(shared_project):
    whole = shared_project.get("spend", POLARS)
    assert shared_project.get("spend@2", POLARS).equals(whole)
    before = shared_project.get("spend@1", POLARS)
    assert before["amount_sum_lifetime"].to_list() != whole["amount_sum_lifetime"].to_list()
    some = shared_project.get("spend@2:per_order,count_7d", POLARS)
    assert some.columns[1:3] == ["per_order", "count_7d"]
    assert some.equals(whole.select(some.columns))
    for wrong, said in (("spend@9", "'spend@9'"), ("spend@x", "names no version"), ("spend:per_ordr", "per_order")):
        with pytest.raises(UsageError, match=said):
            shared_project.get(wrong, POLARS)


def test_offline_values_are_those_of_the_store_and_of_the_past(shared_project):
    online, offline = (shared_project.get("spend", POLARS, offline=way) for way in (False, True))
    assert offline.drop("computed_at").equals(online.drop("computed_at"))
    assert shared_project.get("history", {"customer": "c1"}, offline=True)["customer"] == "c1"
    past = featurectl.open_project(as_of="2026-01-01T00:00:00Z").get("spend", POLARS, offline=True)
    assert not past.drop("computed_at").equals(online.drop("computed_at"))


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_a_doubled_column_is_told_in_the_callers_words(shared_project, kind):
    names, column = ["customer", "customer"], pa.array(["c1"])
    doubled = pa.Table.from_arrays([column, column], names)
    frame = pd.DataFrame([["c1", "c1"]], columns=names) if kind == "pandas" else doubled
    with pytest.raises(UsageError, match="entities: two columns are named 'customer'"):
        shared_project.get("spend", frame)


def test_truths_that_are_not_known_are_no_false_in_pandas():
    made = frames.to_kind(pl.DataFrame({"x": [True, None, False], "y": [True, False, True]}), "pandas")
    assert made["x"].dtype == "boolean"
    assert made["x"].isna().tolist() == [False, True, False]
    assert made["y"].dtype == bool


@pytest.mark.parametrize("wrong", [date(2026, 1, 9), 7, datetime(2026, 1, 9)])  # noqa: DTZ001 (that is the point)
def test_what_is_no_instant_is_an_error_of_the_call(project, wrong):
    with pytest.raises(UsageError, match=r"is not an instant|has no time zone"):
        project.training_set(features="spend:*", keys_from="spend", at=wrong)
    with pytest.raises(UsageError, match="no list of names"):
        project.apply(allow_remove=True)


def test_pandas_keeps_its_index_and_named_levels_of_it_are_columns(project):
    numbered = pd.DataFrame(ROWS, index=[7, 3, 3, 1, 0])
    rows = project.training_set(features="spend:count_7d", spine=numbered).rows
    assert rows.index.tolist() == [7, 3, 3, 1, 0]
    assert pd.concat([numbered.reset_index()["n"], rows.reset_index()["count_7d"]], axis=1).shape == (5, 2)
    timed = pd.DataFrame(ROWS).set_index(["customer", "event_time"])
    of_levels = project.training_set(features="spend:count_7d", spine=timed).rows
    assert of_levels.index.names == ["customer", "event_time"]
    assert list(of_levels.columns) == ["n", "count_7d"]
    assert of_levels["count_7d"].reset_index(drop=True).equals(rows["count_7d"].reset_index(drop=True))
    assert project.get("spend", timed).index.equals(timed.index)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sample(1)
def test_where_no_frame_is_given_the_projects_kind_is_returned(project, kind):
    chosen = featurectl.open_project(frames=kind)
    rows = chosen.training_set("big").rows
    assert frames.kind_of_frame(rows) == kind
    assert polars_of(rows).equals(project.training_set("big").rows)
    assert frames.kind_of_frame(chosen.score("big").rows) == kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sample(1)
def test_scores_of_a_frame_are_those_of_its_file(project, kind, tmp_path):
    spine = project.training_set("big").rows.select("customer", "day", "ordered_at", "status", "amount")
    given = frames.to_kind(spine, kind)
    rows, manifest = project.score("big", spine=given)
    spine.write_parquet(tmp_path / "rows.parquet")
    assert polars_of(rows).equals(project.score("big", spine=tmp_path / "rows.parquet").rows)
    assert frames.kind_of_frame(rows) == kind
    assert manifest["model"] == "big"


def test_types_of_pandas_are_read_as_they_are_meant(project):
    rows = pd.DataFrame(ROWS).astype({"customer": "category", "n": "Int64"})
    rows["event_time"] = rows["event_time"].dt.tz_convert("America/New_York")
    found = project.training_set(features="spend:*", spine=rows).rows
    assert polars_of(found)[:, 3:].equals(project.training_set(features="spend:*", spine=POLARS).rows[:, 3:])


@pytest.mark.parametrize(
    ("spine", "error", "says"),
    [
        ([1, 2], UsageError, "list, no frame"),
        (POLARS.lazy(), UsageError, "collect"),
        (pd.DataFrame(ROWS).assign(bad=[1, "a", None, 2.5, b"x"]), DataError, "column 'bad' mixes int and str"),
        (pd.DataFrame(ROWS).assign(bad=[1, 2, None, b"x", {}]), DataError, "can't be read"),
        (pd.DataFrame(ROWS).rename(columns={"n": 0}), UsageError, "is no text"),
        (pd.DataFrame(ROWS).rename(columns={"event_time": "when"}), DataError, "event_time"),
        (pd.DataFrame(ROWS).drop(columns="customer"), DataError, "customer"),
    ],
    ids=range(7),
)
def test_what_is_no_spine_is_an_error_that_says_why(project, spine, error, says):
    with pytest.raises(error) as caught:
        project.training_set(features="spend:*", spine=spine)
    assert says in f"{caught.value.message} {caught.value.hint}"


def test_a_column_of_pandas_that_mixes_types_is_told_with_its_row(shared_project):
    mixed = pd.DataFrame(
        {"customer": [None, "c1", 7], "event_time": pd.to_datetime(["2026-01-09"] * 3)}, index=[5, 6, 7]
    )
    said = r"^the spine: column 'customer' mixes str and int; row 3 \(index 7\) is 7\n"
    with pytest.raises(DataError, match=said):
        shared_project.training_set(features="spend:*", spine=mixed)


def test_frames_that_are_not_installed_are_named(project, monkeypatch):
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    monkeypatch.setattr(pl, "from_pandas", missing)
    with pytest.raises(UsageError, match="pyarrow is not installed") as caught:
        project.training_set(features="spend:*", spine=KINDS["pandas"])
    assert "featurectl[pandas]" in caught.value.hint
    with pytest.raises(UsageError, match="no kind of frame"):
        featurectl.open_project(frames="panda")
