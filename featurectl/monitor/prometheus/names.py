"""Names that metrics, rules and the dashboard share."""

from __future__ import annotations

from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"  # of the text with metrics
PREFIX: Final = "featurectl_status_"  # of what `status` shows
UP: Final = "featurectl_up"  # whether the last look succeeded
FAILING: Final = "featurectl_failing_checks"  # of a view version, in its last runs
REQUESTS: Final = "featurectl_prediction_requests_total"  # of `serve`, by model and result
LOG_ROWS: Final = "featurectl_prediction_log_rows_total"  # of `serve`, by what became of them
LOG_WAITING: Final = "featurectl_prediction_log_waiting_rows"
SECONDS: Final = "featurectl_prediction_request_duration_seconds"
STREAM_AGE: Final = "featurectl_stream_asof_age_seconds"  # of `stream run --port`
