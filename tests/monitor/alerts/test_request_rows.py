"""What the prediction log says of requests, against counts by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from featurectl.core.errors import StoreError
from featurectl.monitor.alerts.request_rows import RequestWindow, read_requests
from featurectl.operations.prediction_log.log_files import PredictionLogFiles

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
WINDOW = RequestWindow(since=AT - timedelta(minutes=5), until=AT)
STORE = "the online store redis://host can't be reached"


def write(folder, rows, version=1, at=AT, number=1, columns=(), schema=None):  # noqa: PLR0913, PLR0917  # most have a default
    """Write a file of the log; a row is (seconds before AT, request, latency, more)."""
    frame = pl.DataFrame(
        [
            {"time": AT - timedelta(seconds=ago), "server": "s", "request": request, "latency_ms": float(latency),
             "fault": None, "error": None, "canary": None, "role": None, "feature.x": 1.0} | more
            for ago, request, latency, more in rows
        ],
        schema_overrides={"fault": pl.Boolean(), "error": pl.String(), "canary": pl.Int64(), "role": pl.String(),
                          "time": pl.Datetime("us", "UTC")} | (schema or {}),
    )  # fmt: skip
    place = folder / "late" / f"v{version}" / f"{at:%Y-%m-%d}"
    place.mkdir(parents=True, exist_ok=True)
    frame.drop(columns).write_parquet(place / f"{at:%H%M%S}-h-1-{number}.parquet")


def test_requests_are_counted_once_whatever_rows_they_have(tmp_path):
    write(tmp_path, [(10, 1, 50, {}), (10, 1, 50, {}), (9, 2, 10, {}), (8, 3, 20, {})])
    found = read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0)
    assert found.count == 3
    assert [found.latency_us(q) for q in (0.3, 0.5, 0.99)] == [10_000.0, 20_000.0, 50_000.0]
    assert (found.error_rate(), found.store_errors()) == (0.0, 0.0)


def test_a_quantile_is_that_of_a_sorted_list(tmp_path):
    write(tmp_path, [(1, number, number + 1, {}) for number in range(100)])
    found = read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0)
    assert [found.latency_us(q) for q in (0.5, 0.95, 0.99)] == [50_000.0, 95_000.0, 99_000.0]


def test_the_window_is_open_at_its_beginning_and_closed_at_its_end(tmp_path):
    write(tmp_path, [(301, 1, 1, {}), (300, 2, 1, {}), (299, 3, 1, {}), (0, 4, 1, {}), (-1, 5, 1, {})])
    assert read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0).count == 2


def test_errors_are_those_of_the_model_and_those_of_the_store(tmp_path):
    rows = [
        (4, 1, 1, {"error": "no carrier", "fault": False}),
        (3, 2, 1, {"error": "late@1 has no score", "fault": True}),
        (2, 3, 1, {"error": STORE, "fault": False}),
        (1, 4, 1, {}),
    ]
    write(tmp_path, rows)
    found = read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 0.5)
    assert (found.count, found.error_rate(), found.store_errors()) == (8.0, 0.25, 2.0)
    assert (found.last_error("fault"), found.last_error("store")) == ("late@1 has no score", STORE)


def test_the_logs_word_on_the_store_counts_more_than_the_text_of_an_error(tmp_path):
    schema = {"store_failed": pl.Boolean()}
    rows = [
        (3, 1, 1, {"error": "refused for reasons of its own", "fault": False, "store_failed": True}),
        (2, 2, 1, {"error": f"no column {STORE!r}", "fault": False, "store_failed": False}),
    ]
    write(tmp_path, rows, schema=schema)
    write(tmp_path, [(1, 3, 1, {"store_failed": None})], number=2, schema=schema)
    write(tmp_path, [(1, 4, 1, {"error": STORE, "fault": False})], number=3)  # of a server of before
    found = read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0)
    assert (found.count, found.store_errors(), found.frame["store"].null_count()) == (4.0, 2.0, 0)


def test_a_sample_stands_for_the_left_out_and_canary_rows_for_themselves(tmp_path):
    canary = [(1, number, 10, {"canary": 1, "role": "champion"}) for number in range(30)]
    write(tmp_path, [*canary, (1, 100, 900, {})])
    found = read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 0.01)
    assert found.count == 130
    assert found.latency_us(0.5) == 900_000.0


def test_scores_in_the_shadow_are_no_answers(tmp_path):
    write(tmp_path, [(1, 1, 10, {"canary": 1, "role": "champion"}), (1, 2, 900, {"canary": 1, "role": "shadow"})])
    assert read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0).latency_us(0.99) == 10_000.0


def test_versions_and_older_files_are_read_together_but_only_in_the_window(tmp_path):
    write(tmp_path, [(1, 1, 1, {})])
    write(tmp_path, [(1, 2, 1, {})], version=2, columns=["canary", "role"])
    write(tmp_path, [(1, 3, 1, {})], at=AT - timedelta(hours=2), number=2)
    assert read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0).count == 2


def test_without_a_log_there_is_nothing_to_measure(tmp_path):
    found = read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0)
    assert (found.count, found.latency_us(0.99), found.error_rate(), found.store_errors()) == (0, None, None, 0)


def test_a_file_that_is_broken_is_named(tmp_path):
    write(tmp_path, [(1, 1, 1, {})])
    (tmp_path / "late" / "v1" / f"{AT:%Y-%m-%d}" / f"{AT:%H%M%S}-h-1-9.parquet").write_text("PAR1")
    with pytest.raises(StoreError, match=r"the prediction log can't be read: 120000-h-1-9\.parquet"):
        read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0)


def test_an_event_is_a_request_of_when_it_was_predicted(tmp_path):
    instant = {name: pl.Datetime("us", "UTC") for name in ("known_at", "logged_at")}
    hour = timedelta(hours=1)
    late = {"known_at": AT - timedelta(minutes=9), "logged_at": AT - timedelta(minutes=1)}
    rows = [
        (3600, 1, 400, late),
        (3600, 2, 90, late | {"error": "late@1 has no score", "fault": True}),
        (1, 3, 900, {"known_at": AT - hour, "logged_at": AT - hour}),
        (1, 4, 10, {"known_at": None, "logged_at": AT - hour}),
    ]
    write(tmp_path, rows, schema=instant)
    found = read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0)
    assert (found.count, found.error_rate(), found.latency_us(0.99)) == (3.0, 1 / 3, 400_000.0)


def test_a_request_column_may_have_been_called_like_one_of_events(tmp_path):
    write(tmp_path, [(1, 1, 10, {"known_at": "a text"})], number=1)
    write(tmp_path, [(1, 2, 10, {"prediction_id": 7})], number=2)
    assert read_requests(PredictionLogFiles(f"{tmp_path}/late"), WINDOW, 1.0).count == 2
