"""The rows of a canary in the prediction log, and the figures that are made of them."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from featurectl.errors import StoreError
from featurectl.monitor.canary.figures import measure
from featurectl.monitor.canary.log import CanaryLog
from tests.monitor.canary.test_verdict import AT, RUN

DAY = f"{AT:%Y-%m-%d}"


def row(request, role="champion", **more):
    plain = {
        "canary": 1, "role": role, "server": "a:1", "request": request, "entity": request, "logged_at": AT, "time": AT,
        "score": 0.5, "fault": None, "latency_ms": 10.0, "computed_at.spend@1": AT - timedelta(hours=1),
    }  # fmt: skip
    return plain | more


def write(folder, version, name, rows, day=DAY):
    place = folder / f"v{version}" / day
    place.mkdir(parents=True, exist_ok=True)
    schema = {"score": pl.Float64(), "fault": pl.Boolean(), "canary": pl.Int64(), "role": pl.String()}
    pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None).write_parquet(place / name)


def test_a_log_that_is_not_there_has_no_rows(tmp_path):
    assert CanaryLog(tmp_path / "late", RUN).read().is_empty()


def test_only_rows_of_this_canary_are_read_each_once(tmp_path):
    log = CanaryLog(tmp_path, RUN)
    write(tmp_path, 1, "a.parquet", [row(1), row(2, canary=None, role=None), row(3, canary=7)])
    assert log.read()["request"].to_list() == [1]
    write(tmp_path, 2, "a.parquet", [row(4, "challenger")])
    write(tmp_path, 2, ".b.parquet.part", [row(5, "challenger")])
    write(tmp_path, 3, "a.parquet", [row(6, "challenger")])
    write(tmp_path, 2, "old.parquet", [row(7, "challenger")], "2026-11-01")
    write(tmp_path, 2, "before.parquet", [{"logged_at": AT, "score": 0.5}])
    assert sorted(log.read()["request"]) == [1, 4]
    (tmp_path / "v1" / DAY / "a.parquet").unlink()
    assert sorted(log.read()["request"]) == [1, 4]


def test_a_file_that_can_t_be_read_is_an_error_with_its_name(tmp_path):
    write(tmp_path, 1, "a.parquet", [row(1)])
    (tmp_path / "v1" / DAY / "torn.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError, match=r"the prediction log can't be read: torn\.parquet"):
        CanaryLog(tmp_path, RUN).read()


def test_the_age_is_that_of_the_oldest_view(tmp_path):
    ages = {"computed_at.b@2": AT - timedelta(hours=3), "computed_at.c@1": None}
    write(tmp_path, 1, "a.parquet", [row(1, **ages), row(2, **{**ages, "computed_at.b@2": None})])
    assert CanaryLog(tmp_path, RUN).read()["age_us"].to_list() == [3 * 3_600 * 10**6, 3_600 * 10**6]


def test_figures_are_those_of_a_loop_over_the_rows(tmp_path):
    draw = random.Random(4)
    rows = {1: [], 2: []}
    for request in range(600):
        version, shadow = draw.choice([1, 1, 2]), draw.random() < 0.5
        role = "champion" if version == 1 else ("shadow" if shadow else "challenger")
        fault, latency = draw.random() < 0.05, draw.random() * 120
        for _ in range(draw.choice([1, 1, 3])):
            score = None if fault else draw.random()
            rows[version].append(
                row(request, role, entity=draw.randrange(150), score=score, fault=fault or None, latency_ms=latency,
                    logged_at=AT + timedelta(seconds=len(rows[version])))
            )  # fmt: skip
    for version, some in rows.items():
        write(tmp_path, version, "a.parquet", some[::2])
        write(tmp_path, version, "b.parquet", some[1::2])
    figures = measure(RUN, CanaryLog(tmp_path, RUN).read())
    for version, side in ((1, figures.champion), (2, figures.challenger)):
        requests = {item["request"]: item for item in rows[version]}
        latencies = sorted(item["latency_ms"] for item in requests.values())
        assert (side.version, side.requests, side.rows) == (version, len(requests), len(rows[version]))
        assert side.faults == sum(item["fault"] is True for item in requests.values())
        assert side.slow == sum(latency > 100 for latency in latencies)
        assert side.latency_p99_ms in latencies[int(0.99 * (len(latencies) - 1)) :][:2]
        assert side.scored == len({item["entity"] for item in rows[version] if item["score"] is not None})
        assert side.oldest_us == 3_600 * 10**6
    assert figures.score_psi is not None
    assert measure(replace(RUN, number=9), CanaryLog(tmp_path, replace(RUN, number=9)).read()).score_psi is None
