"""Numbers that are not finite, at every door: null, refused where digits would be lost, kept where a source says so."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import msgspec
import numpy as np
import polars as pl
import pytest

from featurectl.cli.main import _document
from featurectl.cli.shared.call import Outcome
from featurectl.core.errors import DataError
from featurectl.core.units import DAY_US
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.tests import FeatureTest
from featurectl.language.definitions.view import Feature
from featurectl.language.syntax.node import scalar_value
from featurectl.language.syntax.place import Place
from featurectl.online.client.coerce import typed_column
from featurectl.operations.feature_tests.run import run_feature_tests
from featurectl.operations.scoring.scorer import score_columns
from featurectl.operations.training.spine import SpineClocks, frame_spine
from featurectl.serving.http.bodies import FLAT, PREDICT
from featurectl.serving.routes.features import finite_values
from featurectl.sources.casts import cast_exact
from featurectl.sources.open import open_source
from tests.definitions import ARRIVALS, DELAYS

SUM = Feature(name="arr_delay_sum_7d", op="sum", column="arr_delay", dtype="float64", window_us=7 * DAY_US)
SUMS = replace(DELAYS, features=(SUM,), derived=())
NAN, INF = math.nan, math.inf
BEYOND = ("1e400", "-1e400", "123" * 120)  # digits that no float64 holds


def written(folder, kind, values):
    """A source of one column of floats, as a file of a kind."""
    frame = pl.DataFrame({"x": values})
    path = folder / f"x.{kind}"
    if kind == "parquet":
        frame.with_columns(pl.col("x").cast(pl.Float64)).write_parquet(path)
    elif kind == "csv":
        path.write_text("x\n" + "\n".join(str(value) for value in values) + "\n")
    elif kind == "ndjson":
        path.write_text("".join(f'{{"x": "{value}"}}\n' for value in values))
    return path.name


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson"])
@pytest.mark.parametrize("nan", ["null", "keep"])
def test_a_source_gives_null_unless_it_keeps_them(tmp_path, kind, nan):
    path = written(tmp_path, kind, [1.5, NAN, INF, -INF])
    source = Source(name="s", format=kind, path=path, columns={"x": "float64"}, columns_declared=True, nan=nan)
    reader = open_source(source, tmp_path)
    found = reader.scan(reader.parts()).collect()["x"].to_list()
    if nan == "null":
        assert found == [1.5, None, None, None]
    else:
        assert (found[0], math.isnan(found[1]), found[2:]) == (1.5, True, [INF, -INF])


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
@pytest.mark.parametrize("nan", ["null", "keep"])
@pytest.mark.parametrize("text", BEYOND)
def test_digits_that_no_float_holds_do_not_fit(tmp_path, kind, nan, text):
    path = written(tmp_path, kind, ["1.5", text])
    source = Source(name="s", format=kind, path=path, columns={"x": "float64"}, columns_declared=True, nan=nan)
    reader = open_source(source, tmp_path)
    with pytest.raises(
        DataError, match=r"column 'x' has 1 value that can't be read as float64; first (at row 2|in line 3)"
    ):
        reader.scan(reader.parts()).collect()


def test_lists_hold_null_in_their_place(tmp_path):
    pl.DataFrame({"x": [[1.0, INF, NAN]]}).write_parquet(tmp_path / "x.parquet")
    reader = open_source(Source(name="s", format="parquet", path="x.parquet"), tmp_path)
    assert reader.scan(reader.parts()).collect()["x"].to_list() == [[1.0, None, None]]


def test_a_spine_reads_null_and_keeps_its_own_column():
    spine = frame_spine(
        pl.DataFrame(
            {"x": [INF, NAN, 1.0], "event_time": [None] * 3}, schema_overrides={"event_time": pl.Datetime("us", "UTC")}
        ),
        SpineClocks(),
    )
    assert spine.rows["x"].to_list() == [None, None, 1.0]
    assert spine.own["x"].to_list()[0] == INF


@pytest.mark.parametrize(
    ("texts", "found"), [(["inf", "nan", "1"], [None, None, 1.0]), (["-Infinity", "2"], [None, 2.0])]
)
def test_texts_of_a_spine_spell_them_as_null(texts, found):
    assert cast_exact(pl.Series("x", texts), "float64", "spine column x").to_list() == found


@pytest.mark.parametrize("text", BEYOND)
def test_a_text_of_a_spine_that_no_float_holds_is_refused(text):
    with pytest.raises(DataError, match="1 of 2 values does not fit"):
        cast_exact(pl.Series("x", ["1", text]), "float64", "spine column x")


@pytest.mark.parametrize("value", [NAN, INF, -INF, "nan", "inf", "-Infinity", np.float64(INF), Decimal("NaN")])
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_a_value_of_a_request_is_null(value, dtype):
    if dtype == "float64" or not isinstance(value, str):
        assert typed_column([value], dtype, "x") == [None]


@pytest.mark.parametrize("value", [*BEYOND, Decimal("1e400"), 10**400])
def test_a_value_of_a_request_that_no_float_holds_is_refused(value):
    with pytest.raises(DataError, match="is no float64"):
        typed_column([value], "float64", "x")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999"])
@pytest.mark.parametrize("body", ['{{"x": {}}}', '{{"rows": [{{"x": {}}}]}}'])
def test_json_of_a_request_has_no_such_number(text, body):
    decoder = PREDICT if "rows" in body else FLAT
    with pytest.raises(msgspec.DecodeError):
        decoder.decode(body.format(text))


def test_yaml_has_no_such_number():
    assert [scalar_value(text) for text in (".inf", "inf", "nan", "1e400")] == [".inf", "inf", "nan", "1e400"]
    assert isinstance(scalar_value("9" * 400), str)


class ServedColumn:
    values = (1.5, INF, NAN, None, -INF)
    statuses = ("PRESENT", "PRESENT", "PRESENT", "EXPIRED", "PRESENT")


def test_an_answer_says_null_where_it_shows_null():
    values, statuses = finite_values(ServedColumn())
    assert values == [1.5, None, None, None, None]
    assert statuses == ["PRESENT", "NULL", "NULL", "EXPIRED", "NULL"]


def test_a_score_that_is_none_is_null():
    scorer = SimpleNamespace(output="score", version=SimpleNamespace(version=1))
    told, _ = score_columns(scorer, np.array([0.5, NAN, INF]))
    assert told.to_list() == [0.5, None, None]


@pytest.mark.parametrize(("nan", "found"), [("null", None), ("keep", INF)])
def test_a_sum_that_no_float_holds_is_null(nan, found):
    row = {"carrier": "A", "arr_delay": 1.7e308, "at": "2024-01-01T08:00:00Z", "known_at": "2024-01-01T09:00:00Z"}
    view = replace(SUMS, source=replace(ARRIVALS, nan=nan))
    spine = ({"carrier": "A", "time": "2024-01-01T12:00:00Z"},)
    expect = ({"arr_delay_sum_7d": found},)
    test = FeatureTest(name="t", view=view, rows=(row, row), spine=spine, expect=expect, place=Place("x.yaml"))
    (result,) = run_feature_tests(PolarsEngine(1), [test])
    assert (result.error, result.differences) == (None, ())


def test_a_document_of_the_command_line_is_json():
    text = _document("x", Outcome(result={"a": [1.0, NAN], "b": {"c": (INF,)}}), [])
    assert json.loads(text, parse_constant=pytest.fail)["result"] == {"a": [1.0, None], "b": {"c": [None]}}
