"""The rows of a canary in the prediction log, and the figures that are made of them."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.errors import StoreError
from featurectl.monitor.canary.compared_scores import COMPARED, LastScores
from featurectl.monitor.canary.figures import SideFigures
from featurectl.monitor.canary.log import CanaryLog
from featurectl.monitor.canary.score_distance import score_psi
from featurectl.monitor.canary.tally import ROWS, CanaryTally
from featurectl.operations.prediction_log.log_files import PredictionLogFiles
from tests.monitor.canary.test_verdict import AT, RUN

DAY = f"{AT:%Y-%m-%d}"


def row(request, role="champion", **more):
    plain = {
        "canary": 1, "role": role, "server": "a:1", "request": request, "entity": request, "logged_at": AT, "time": AT,
        "score": 0.5, "fault": None, "latency_ms": 10.0, "age_us": 3_600 * 10**6,
    }  # fmt: skip
    return plain | more


def write(folder, version, name, rows, day=DAY):
    place = folder / f"v{version}" / day
    place.mkdir(parents=True, exist_ok=True)
    schema = {
        "age_us": pl.Int64(),
        "score": pl.Float64(),
        "fault": pl.Boolean(),
        "canary": pl.Int64(),
        "role": pl.String(),
    }
    pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None).write_parquet(place / name)


def test_a_log_that_is_not_there_has_no_rows(tmp_path):
    figures = CanaryLog(PredictionLogFiles(f"{tmp_path}/late"), RUN).figures()
    assert (figures.champion, figures.challenger) == (SideFigures(version=1), SideFigures(version=2))
    assert (figures.score_psi, figures.share_percent) == (None, None)


def test_only_rows_of_this_canary_are_read_each_once(tmp_path):
    def requests():
        figures = log.figures()
        return figures.champion.requests, figures.challenger.requests

    log = CanaryLog(PredictionLogFiles(str(tmp_path)), RUN)
    write(tmp_path, 1, "a.parquet", [row(1), row(2, canary=None, role=None), row(3, canary=7)])
    assert requests() == (1, 0)
    write(tmp_path, 2, "a.parquet", [row(4, "challenger")])
    write(tmp_path, 2, ".b.parquet.part", [row(5, "challenger")])
    write(tmp_path, 3, "a.parquet", [row(6, "challenger")])
    write(tmp_path, 2, "old.parquet", [row(7, "challenger")], "2026-11-01")
    write(tmp_path, 2, "before.parquet", [{"logged_at": AT, "score": 0.5}])
    assert requests() == (1, 1)
    write(tmp_path, 2, "075959-a.parquet", [row(8, "challenger")])  # an hour and more before it began
    write(tmp_path, 2, "080001-a.parquet", [row(9, "challenger")])  # by a clock that is late
    assert requests() == (1, 2)
    (tmp_path / "v1" / DAY / "a.parquet").unlink()
    assert requests() == (1, 2)


def test_a_file_that_can_t_be_read_is_an_error_with_its_name(tmp_path):
    write(tmp_path, 1, "a.parquet", [row(1)])
    (tmp_path / "v1" / DAY / "torn.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError, match=r"the prediction log can't be read: torn\.parquet"):
        CanaryLog(PredictionLogFiles(str(tmp_path)), RUN).figures()


def test_a_file_that_can_t_be_read_keeps_none_from_being_counted_once(tmp_path):
    log = CanaryLog(PredictionLogFiles(str(tmp_path)), RUN)
    write(tmp_path, 1, "a.parquet", [row(1)])
    (tmp_path / "v1" / DAY / "b.parquet").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreError):
            log.figures()
    write(tmp_path, 1, "b.parquet", [row(2)])
    assert log.figures().champion.requests == 2


def test_files_that_come_by_the_hundred_are_each_counted_once(tmp_path):
    log = CanaryLog(PredictionLogFiles(str(tmp_path)), RUN)
    for count in (40, 90):
        for number in range(count):
            write(
                tmp_path,
                1 + number % 2,
                f"{120000 + number}.parquet",
                [row(number, ("champion", "challenger")[number % 2])],
            )
        figures = log.figures()
        assert (figures.champion.requests, figures.challenger.requests) == (count / 2, count / 2)


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
                    logged_at=AT + timedelta(seconds=draw.randrange(500)),
                    age_us=draw.choice([None, draw.randrange(99)]))
            )  # fmt: skip
    log = CanaryLog(PredictionLogFiles(str(tmp_path)), RUN)
    for part in range(3):  # of a request all rows are in one file
        for version, some in rows.items():
            write(tmp_path, version, f"{12 + part}0000.parquet", [item for item in some if item["request"] % 3 == part])
        figures = log.figures()
    for version, side in ((1, figures.champion), (2, figures.challenger)):
        requests = {item["request"]: item for item in rows[version]}
        latencies = sorted(item["latency_ms"] for item in requests.values())
        assert (side.version, side.requests, side.rows) == (version, len(requests), len(rows[version]))
        assert side.faults == sum(item["fault"] is True for item in requests.values())
        assert side.slow == sum(latency > 100 for latency in latencies)
        assert side.latency_p99_ms == pytest.approx(latencies[math.ceil(0.99 * (len(latencies) - 1))], rel=0.0005)
        assert side.scored == len(_last_scores(rows, version))
        assert side.oldest_us == max(item["age_us"] for item in rows[version] if item["age_us"] is not None)
    last = [_last_scores(rows, version) for version in (1, 2)]
    assert (figures.score_psi, figures.psi_chance) == pytest.approx(score_psi(*map(pl.Series, last)))
    assert CanaryLog(PredictionLogFiles(str(tmp_path)), replace(RUN, number=9)).figures().score_psi is None


def _last_scores(rows, version):
    """The score that came last, of each entity, by a loop; files are in the order of their requests' remainders."""
    last, until = {}, min(max(item["logged_at"] for item in some) for some in rows.values())
    for item in sorted(rows[version], key=lambda item: item["request"] % 3):
        if item["logged_at"] > until:
            continue
        before = last.get(item["entity"])
        if item["score"] is not None and (before is None or item["logged_at"] >= before["logged_at"]):
            last[item["entity"]] = item
    return [item["score"] for item in last.values()]


@given(st.lists(st.tuples(st.integers(0, 63), st.integers(0, 9)), max_size=150), st.integers(1, 20), st.integers(1, 40))
def test_of_many_entities_a_part_is_kept_whatever_their_order(found, most, size):
    rows = [
        {"entity": entity, "logged_at": AT + timedelta(seconds=i), "score": float(s)}
        for i, (entity, s) in enumerate(found)
    ]
    schema = {name: ROWS[name] for name in ("entity", "logged_at", "score")}
    scores = LastScores(most)
    for start in range(0, len(rows), size):
        scores.add(pl.DataFrame(rows[start : start + size], schema=schema))
    last = {entity: float(score) for entity, score in found}
    one_of = 1
    while sum(entity % one_of == 0 for entity in last) > most:
        one_of *= 2
    assert sorted(scores.values()) == sorted(score for entity, score in last.items() if entity % one_of == 0)


@pytest.mark.long
def test_what_is_kept_does_not_grow_with_the_requests():
    """Of a million requests there is a count for each latency, and the score of each entity."""
    tally, draw = CanaryTally(RUN), np.random.default_rng(1)
    for part in range(20):
        count = 50_000
        rows = pl.DataFrame(
                {
                    "role": "challenger", "server": "a:1", "request": np.arange(count) + part * count,
                    "entity": draw.integers(0, 1 << 62, count), "logged_at": AT, "score": draw.random(count),
                    "fault": None, "latency_ms": draw.lognormal(1, 2, count), "age_us": None,
                },
                schema=ROWS,
            )  # fmt: skip
        tally.add(pl.concat([rows, rows.with_columns(role=pl.lit("champion"))]))
    side = tally.figures().challenger
    assert side.requests == side.rows == 1_000_000
    assert COMPARED / 4 < side.scored <= COMPARED
    assert tally._challenger._latencies.height < 60_000  # noqa: SLF001  # memory has a bound
