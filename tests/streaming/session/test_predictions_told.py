"""What is told of predictions on events: at the end of a run, to who asks whether workers can work, and as JSON."""

from __future__ import annotations

import json
import math

from featurectl.render.stream_run import describe_progress, render_stream_run, report_json
from featurectl.streaming.predictions import PredictionCounts, united_counts
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.worker_health import check_workers

COUNTS = PredictionCounts(
    model="fraud",
    results={"answered": 1_000, "failed": 2, "refused": 3, "too_old": 4, "left_out": 5},
    early=6,
    latency_s={0.025: 900, 0.1: 1_000, 2.5: 1_003, math.inf: 1_005},
    latency_sum_s=30.0,
    waiting=7,
    problem="the broker is away",
)
REPORT = SourceReport(source="swipes", events=1_010, logged=1_000, has_begun=True, predictions=(COUNTS,))


def test_the_end_of_a_run_tells_what_was_predicted():
    assert render_stream_run([REPORT]).splitlines()[2] == (
        "swipes: fraud: 1,000 events predicted, 2 failed, 3 refused, 4 too old, 5 left out by `where`, 7 wait; "
        "half of them within 0.025 s, 99 % within 0.1 s; the broker is away"
    )
    assert describe_progress(None, REPORT, 10.0) == "swipes: 1,010 events, 101 a second, 1,000 predicted, 1,000 logged"


def test_a_report_is_json_of_finite_numbers():
    found = json.loads(json.dumps(report_json(REPORT), allow_nan=False))
    assert found["predictions"] == [
        {
            "model": "fraud",
            "results": dict(COUNTS.results),
            "early": 6,
            "waiting": 7,
            "p50_within_s": 0.025,
            "p99_within_s": 0.1,
            "problem": "the broker is away",
        }
    ]


def test_a_worker_that_can_not_predict_is_not_ready():
    assert check_workers([REPORT], ["swipes"], "").problems == [
        "source swipes: events are not predicted by fraud: the broker is away"
    ]


def test_predictions_of_several_processes_are_added():
    [both] = united_counts([COUNTS, COUNTS])
    assert (both.results["answered"], both.early, both.waiting) == (2_000, 12, 14)
    assert (both.latency_s[0.1], both.within_s(0.5), both.latency_sum_s) == (2_000, 0.025, 60.0)
