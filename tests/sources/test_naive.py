"""Readers tell which columns they read have timestamps without a time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import CsvOptions, Source
from featurectl.sources.open import open_source
from tests.sources.every_kind import KINDS, make_source


def told(source, root, *, kept=False):
    columns = []
    reader = open_source(source, root, columns.append)
    parts = reader.parts()
    (reader.scan_kept(parts) if kept else reader.scan(parts)).collect()
    return sorted(set(columns))


@pytest.mark.sample(16)
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_tells_of_naive_timestamps(tmp_path, postgres_url, kind, declared, kept):
    undeclared = {} if declared else {"columns": None, "columns_declared": False}
    source = make_source(kind, tmp_path, postgres_url, event_time="at", **undeclared)
    assert told(source, tmp_path, kept=kept) == ["at"]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("form", ["parquet", "ndjson", "csv", "delta"])
def test_timestamps_with_a_time_zone_are_not_told(tmp_path, form, kept):
    rows = pl.DataFrame({"at": [datetime(2024, 1, 1, 5, tzinfo=UTC), None]})
    texts = rows.select(pl.col("at").dt.to_string("%Y-%m-%dT%H:%M:%S+01:00"))
    match form:
        case "parquet":
            rows.with_columns(pl.col("at").dt.convert_time_zone("America/New_York")).write_parquet(tmp_path / "r")
        case "ndjson":
            texts.write_ndjson(tmp_path / "r")
        case "csv":
            texts.write_csv(tmp_path / "r")
        case "delta":
            rows.write_delta(tmp_path / "r")
    source = Source(name="s", format=form, path="r", event_time="at")
    assert told(source, tmp_path, kept=kept) == []


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2024-01-01"], []),  # a date has no time of day
        (["2024-01-01T05:00Z", "2024-01-01 05:00:00.25-0300"], []),
        (["2024-01-01T05:00Z", "2024-01-02 05:00"], ["at"]),
        (["", "2024-01-01T05:00:00.123456"], ["at"]),
        ([""], []),
    ],
)
def test_texts_are_named_when_one_shows_a_time_of_day_without_an_offset(tmp_path, texts, expected):
    (tmp_path / "r.csv").write_text("at,n\n" + "".join(f"{text},1\n" for text in texts))
    assert told(csv(CsvOptions()), tmp_path) == expected


@pytest.mark.parametrize(("form", "expected"), [("%d.%m.%Y %H:%M", ["at"]), ("%d.%m.%Y %H:%M %z", [])])
def test_a_format_tells_by_itself_whether_it_has_an_offset(tmp_path, form, expected):
    (tmp_path / "r.csv").write_text(f"at\n{datetime(2024, 1, 1, 5, tzinfo=UTC).strftime(form)}\n")
    assert told(csv(CsvOptions(timestamp_format=form)), tmp_path) == expected


def csv(options):
    columns = {"at": "timestamp"}
    return Source(
        name="s", format="csv", path="r.csv", csv=options, event_time="at", columns=columns, columns_declared=True
    )


def test_a_bad_value_is_an_error_before_anything_is_told(tmp_path):
    (tmp_path / "r.csv").write_text("at\n2024-01-01 05:00\nsoon\n")
    columns = []
    reader = open_source(csv(CsvOptions()), tmp_path, columns.append)
    with pytest.raises(DataError, match="can't be read as timestamp"):
        reader.scan(reader.parts())
    assert columns == []
