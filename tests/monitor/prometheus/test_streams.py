"""Rules and metrics of streams, held to golden files that promtool has checked."""

from __future__ import annotations

import math
from pathlib import Path

from featurectl.language.definitions.json_form import load_source
from featurectl.language.load import load_repo
from featurectl.monitor.prometheus.rules import rules_of
from featurectl.monitor.prometheus.rules_yaml import render_rules
from featurectl.streaming.lag import PartitionLag, StreamLag
from featurectl.streaming.predictions import PredictionCounts
from featurectl.streaming.session.applied_streams import AppliedStream
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stream_watch import WatchedStream
from featurectl.streaming.session.worker_metrics import RunMetrics, render_worker_metrics
from tests.monitor.prometheus.test_rules import PROJECT, assert_golden

OBJECTS = """
entities: [{name: card, keys: {card: string}}]
sources:
  - {name: swipes, stream: {topic: swipes}, columns: {card: string, at: timestamp}, event_time: at}
  - {name: cards, path: cards.csv, columns: {card: string, at: timestamp}, event_time: at}
feature_views:
  - {name: recent, entity: card, source: swipes, aggregates: [{op: count, windows: [1h]}]}
  - {name: newest, entity: card, source: cards, aggregates: [{op: count, windows: [1h]}]}
alerts:
  - {name: behind, when: stream_lag > 30s, severity: critical, notify: [ops], for: 1m}
  - {name: recent_behind, when: stream_lag > 2m, severity: warning, notify: [ops], views: [rec*]}
notifiers: [{name: ops, command: cat}]
"""
SECOND_US = 1_000_000


def test_alerts_on_lags_are_rules_of_the_workers_metrics(tmp_path: Path):
    (tmp_path / "featurectl.yaml").write_text(PROJECT.replace("off,", "off, streams: 'sqlite:///s.db',"))
    (tmp_path / "objects.yaml").write_text(OBJECTS)
    repo = load_repo(tmp_path, None)
    assert repo.errors == ()
    assert_golden("streams.rules.yaml", render_rules(rules_of(repo, "prod")))


def test_metrics_of_workers_are_those_that_promtool_has_checked():
    source = load_source({"name": "swipes", "format": "stream", "event_time": "at", "columns": {"at": "timestamp"}})
    lag = StreamLag(
        asof_us=99 * SECOND_US,
        partitions=[
            PartitionLag(partition=0, position=7, unread=3, applied_us=99 * SECOND_US),
            PartitionLag(partition=1, position=0, unread=0),
        ],
    )
    stream = AppliedStream(source=source)
    predicted = PredictionCounts(
        model="fraud", results={"answered": 5, "failed": 1, "too_old": 1}, early=2, waiting=3, problem="it is away",
        latency_s={0.05: 4, 1.0: 6, math.inf: 6}, latency_sum_s=1.25,
    )  # fmt: skip
    report = SourceReport(
        source="swipes", events=7, late=1, rejected=2, reasons={"value": 1, "check": 1}, logged=9, logged_at_s=95.0,
        has_begun=True, partitions=(0, 1), predictions=(predicted,),
    )  # fmt: skip
    run = RunMetrics(
        project="shop", environment="prod", reports=[report], now_us=100 * SECOND_US,
        watched={"swipes": WatchedStream(stream=stream, looked_s=1.0, lag=lag)},
    )  # fmt: skip
    assert_golden("workers.prom", render_worker_metrics(run))
