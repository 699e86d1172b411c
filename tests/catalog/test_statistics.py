"""Statistics of profiles against the values themselves, and those of a sample."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.catalog.statistics import SHARES, ColumnOrigin, FeatureStatistics, describe_column
from featurectl.cli.main import main
from featurectl.models.profile.categories import categories_json, profile_categories
from featurectl.models.profile.numbers import numbers_json, profile_numbers
from featurectl.render.statistics import render_statistics, statistics_line
from tests.seeds import examples

pytestmark = pytest.mark.usefixtures("shop")

AT = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = st.lists(st.floats(-1e9, 1e9, allow_subnormal=False) | st.none(), max_size=60)
WHOLE = st.lists(st.integers(-1000, 1000) | st.none(), max_size=60)
TEXTS = st.lists(st.text(max_size=3) | st.none(), max_size=60)


def of_type(dtype: str) -> ColumnOrigin:
    """Return an origin of values of a type."""
    return ColumnOrigin(feature="v:f", dtype=dtype, origin="a test", at=AT)


def check_numbers(found: FeatureStatistics, values: list[float | int | None]) -> None:
    """Compare statistics with the values."""
    known = sorted(value for value in values if value is not None)
    assert (found.rows, found.nulls) == (len(values), len(values) - len(known))
    assert found.distinct == len(set(known))
    if not known:
        assert (found.least, found.greatest, found.mean, found.bars) == (None, None, None, ())
        return
    assert (found.least, found.greatest) == (known[0], known[-1])
    assert found.mean == pytest.approx(float(np.mean(known)), rel=1e-9, abs=1e-6)
    for share in SHARES:  # few values have a bin each: the quantile is one of them
        assert found.quantiles[share] == known[max(math.ceil(share * len(known) - 1e-9), 1) - 1]
    assert sum(bar.share for bar in found.bars) == pytest.approx(1.0)
    assert all(bar.share >= -1e-12 for bar in found.bars)


@given(NUMBERS)
@settings(max_examples=examples(25, 500))
def test_statistics_of_numbers_are_those_of_the_values(values):
    column = pl.Series("x", values, dtype=pl.Float64)
    found = describe_column(numbers_json(profile_numbers(column)), of_type("float64"))
    check_numbers(found, values)
    render_statistics(found)
    statistics_line(found)


@given(WHOLE)
@settings(max_examples=examples(25, 500))
def test_bars_of_whole_numbers_count_them(values):
    column = pl.Series("x", values, dtype=pl.Int64)
    found = describe_column(numbers_json(profile_numbers(column)), of_type("int64"))
    check_numbers(found, values)
    known = [value for value in values if value is not None]
    for bar in found.bars:
        assert bar.low is not None
        assert bar.high is not None
        inside = [v for v in known if bar.low <= v <= bar.high]
        assert bar.share == pytest.approx(len(inside) / len(known), abs=1e-9)
    assert sum(len([v for v in known if b.low <= v <= b.high]) for b in found.bars) == len(known)


@pytest.mark.long
@given(TEXTS)
@settings(max_examples=examples(25, 500))
def test_bars_of_texts_are_the_most_frequent_and_all_others(values):
    column = pl.Series("x", values, dtype=pl.String)
    found = describe_column(categories_json(profile_categories(column)), of_type("string"))
    known = [value for value in values if value is not None]
    assert (found.rows, found.nulls, found.distinct) == (len(values), len(values) - len(known), len(set(known)))
    for bar in found.bars[:10]:
        assert bar.share == pytest.approx(known.count(bar.label) / len(known))
    assert sum(bar.share for bar in found.bars) == pytest.approx(1.0 if known else 0.0)
    render_statistics(found)


def test_quantiles_of_many_values_are_at_most_a_bin_off():
    values = np.random.default_rng(5).lognormal(size=50_000)
    found = describe_column(numbers_json(profile_numbers(pl.Series(values))), of_type("float64"))
    for share in SHARES:
        rank = float((values <= found.quantiles[share]).mean())
        assert share <= rank + 1e-12
        assert rank - share < 2 / 256


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, object]]:
    """Return the statistics that a page shows, by feature."""
    assert main(["show", *words, "-o", "json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["result"]["objects"]
    return {found["feature"]: found for found in item["statistics"]}


def test_statistics_are_those_of_the_newest_models_training_set(capsys):
    found = shown(capsys, "spend:count_7d")["spend:count_7d"]
    assert found["origin"] == "training set of big@1, spend@1"
    assert found["rows"] == 41
    assert set(shown(capsys, "spend")) == {"spend:count_7d", "spend:per_order"}


def test_a_sample_of_all_entities_has_the_values_of_a_training_set_at_now(capsys, tmp_path):
    keys = ["customer,event_time", *(f"c{i},2026-01-12T00:00:00Z" for i in range(7))]
    (tmp_path / "keys.csv").write_text("\n".join(keys) + "\n")
    words = ["training-set", "--features", "spend:*", "--spine", "keys.csv", "--out", "out.parquet", "-q"]
    assert main(words) == 0
    capsys.readouterr()
    rows = pl.read_parquet("out.parquet")
    found = shown(capsys, "spend", "--sample", "100", "--as-of", "2026-01-12T00:00:00Z")
    assert len(found) == 7
    for name, item in found.items():
        column = rows[name.partition(":")[2]]
        assert (item["rows"], item["nulls"]) == (7, column.null_count())
        assert item["distinct"] == column.drop_nulls().n_unique()
        assert (item["min"], item["max"]) == (column.min(), column.max())


def test_fewer_entities_are_drawn_alike_each_time(capsys):
    words = ["spend:count_7d", "--sample", "3", "--as-of", "2026-01-12T00:00:00Z"]
    first, second = (shown(capsys, *words)["spend:count_7d"] for _ in range(2))
    assert first == second
    assert first["rows"] == 3
    assert first["origin"] == "3 of 7 entities of spend@2"


def test_bars_of_times_show_both_ends_and_their_spread_is_a_length(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    seconds = [AT.timestamp() + 86_400 * day for day in range(100)]
    column = numbers_json(profile_numbers(pl.Series("x", seconds, dtype=pl.Float64)))
    told = render_statistics(describe_column(column, of_type("timestamp")))
    assert "..." not in told
    assert "  2026-01-01 00:00 .. 2026-01-1" in told
    assert "mean, stddev     2026-02-19 12:00, 28 d 20 h\n" in told


def test_a_time_a_text_and_no_rows_have_statistics_too(capsys):
    found = shown(capsys, "last_order", "--sample", "100", "--as-of", "2026-01-10T12:00:00Z")
    assert {name: item["type"] for name, item in found.items()} == {
        "last_order:amount": "float64",
        "last_order:status": "string",
        "last_order:at": "timestamp",
    }
    assert main(["show", "last_order:at", "--sample", "9", "--as-of", "2026-01-10T12:00:00Z"]) == 0
    assert "2026-01-10" in capsys.readouterr().out
    empty = shown(capsys, "spend", "--sample", "9", "--as-of", "2020-01-01T00:00:00Z")["spend:count_7d"]
    assert (empty["rows"], empty["min"], empty["histogram"]) == (0, None, [])


def test_keys_are_shown_only_when_they_are_asked_for(capsys):
    for words, has_keys in ((["show", "spend"], False), (["show", "spend", "--sample-keys"], True)):
        assert main(words) == 0
        assert ("keys: c0; c1" in capsys.readouterr().out) == has_keys


def test_a_view_without_statistics_says_how_to_compute_them(capsys):
    assert main(["show", "last_order"]) == 0
    assert "featurectl show last_order --sample 1000" in capsys.readouterr().out


def test_a_profile_that_is_gone_hides_nothing_else(shop, capsys):
    for path in shop.rglob("*"):
        if path.is_file() and b'"columns":[{"name":"per_order"' in path.read_bytes()[:200]:
            path.unlink()
    assert main(["show", "spend:count_7d"]) == 0
    text = capsys.readouterr().out
    assert "the profile of the model can't be read" in text
    assert "count of rows over 7d" in text


@pytest.mark.long
def test_where_a_profile_is_gone_or_of_a_retired_version_another_is_read(shop, capsys):
    more = (shop / "objects.yaml").read_text().replace("n_estimators: 5", "n_estimators: 6")
    (shop / "objects.yaml").write_text(more)
    for words in (["apply", "--auto-approve"], ["train", "big"], ["materialize"]):
        assert main([*words, "-q"]) == 0
    capsys.readouterr()
    assert shown(capsys, "spend:count_7d")["spend:count_7d"]["origin"] == "training set of big@2, spend@2"
    assert main(["models", "promote", "big@1"]) == 0
    capsys.readouterr()
    assert main(["models", "retire", "big@2"]) == 0
    capsys.readouterr()
    assert shown(capsys, "spend:count_7d")["spend:count_7d"]["origin"] == "training set of big@1, spend@1"
    for path in shop.rglob("*"):
        if path.is_file() and b'"columns":[{"name":"per_order"' in path.read_bytes()[:200]:
            path.unlink()
            break
    assert len(shown(capsys, "spend")) == 2
