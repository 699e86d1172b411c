"""Times that a zone moves out of the years that Python's datetime knows: 9999-12-31 west of UTC, 0001-01-01 east."""

# ruff: noqa: DTZ001  # times without a zone are what is tested

from datetime import datetime

import polars as pl
import pytest

from featurectl.cli.main import main

FILES = {
    "featurectl.yaml": """
project: p
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db"}
""",
    "f.yaml": """
entities: [{name: x, keys: {k: string}}]
sources: [{name: e, path: "*.parquet", event_time: ts, available_at: av, timezone: ZONE}]
feature_views:
  - {name: ev, entity: x, source: e, aggregates: [{column: v, op: sum, windows: [30d]}]}
  - {name: st, entity: x, source: e, features: [v]}
models:
  - name: m
    spine: {source: e, time: ts, label: {name: y, entity: x, source: e, op: count, horizon: 30d}}
    features: [{feature: "ev:v_sum_30d"}]
""",
}
FAR = [("America/New_York", datetime(9999, 12, 31, 23, 59, 59)), ("Asia/Tokyo", datetime(1, 1, 1))]


@pytest.mark.sample(1)
@pytest.mark.parametrize(("zone", "far"), FAR, ids=["10000", "0"])
@pytest.mark.usefixtures("capsys")
def test_an_instant_outside_of_the_years_of_datetime_ends_no_command(tmp_path, monkeypatch, zone, far):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.replace("ZONE", zone))
    near = datetime(2024, 1, 1)
    rows = pl.DataFrame({"k": ["a", "b"], "ts": [near, far], "av": [near, near], "v": [1, 2]})
    rows.write_parquet("1.parquet")
    for argv in (["plan"], ["apply", "--auto-approve"], ["materialize", "--no-online"], ["status"], ["push", "ev"],
                 ["materialize", "--no-online", "--since", "2020-01-01T00:00:00Z"],
                 ["get", "st", "k=b", "--offline"], ["training-set", "m", "--out", "o.parquet"]):  # fmt: skip
        assert main([*argv, "-q"]) in (0, 1), argv
    assert pl.read_parquet("o.parquet").select("ts", "y").rows() == [(near, None), (far, None if far > near else 1)]


@pytest.mark.sample(1)
@pytest.mark.parametrize("now", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_what_looks_back_or_ahead_of_now_ends_at_the_first_or_last_instant(tmp_path, monkeypatch, now):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.replace("source: e, features: [v]", "source: e, ttl: 1d, features: [v]"))
    (tmp_path / "f.yaml").write_text((tmp_path / "f.yaml").read_text().replace("ZONE", "UTC"))
    near = datetime(2024, 1, 1)
    pl.DataFrame({"k": ["a"], "ts": [near], "av": [near], "v": [1]}).write_parquet("1.parquet")
    for argv in (["apply", "--auto-approve"], ["materialize"]):
        assert main([*argv, "-q"]) == 0, argv
    for argv in (["status", "-v"], ["status", "--checks"], ["why", "st"], ["why", "ev", "k=a"]):
        assert main([*argv, "-q", "--as-of", now]) in (0, 1), argv
    assert main(["verify", "m", "-q", "--as-of", now]) == 64  # there is no log yet
