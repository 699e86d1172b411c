"""Which rows of a prediction log are compared with a model's profile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from featurectl.monitor.drift.logged_window import _answered

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_an_event_counts_when_it_was_predicted_however_late_it_came():
    rows = [
        {"time": AT - 9 * HOUR, "known_at": AT - 3 * HOUR, "logged_at": AT - HOUR, "score": 1.0},
        {"time": AT - HOUR, "known_at": AT - 9 * HOUR, "logged_at": AT - 9 * HOUR, "score": 2.0},
        {"time": AT - HOUR, "known_at": None, "logged_at": AT - 9 * HOUR, "score": 3.0},
        {"time": AT - 9 * HOUR, "known_at": None, "logged_at": AT - HOUR, "score": 4.0},
    ]
    frame = pl.LazyFrame(rows, schema_overrides={"known_at": pl.Datetime("us", "UTC")}).with_columns(error=None)
    assert _answered(frame, (AT - 2 * HOUR, AT)).collect()["score"].to_list() == [1.0, 3.0]
