"""Canaries on the flights, under load: a sample with six weeks of them; all of it is `python -m benchmarks.canary`."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import polars as pl
import pytest

from benchmarks.canary import __main__ as canaries
from benchmarks.canary.flights import CHAMPION, MODEL, build, rows_of, write_flights
from benchmarks.pit.measure import ROOT
from tests.end_to_end.flights import SOURCES

FROM = datetime(2013, 11, 15, tzinfo=UTC)


def fewer_flights(folder):
    """Leave six weeks of rows, and models that are trained in a moment."""
    for name, at in {**SOURCES, "flights": "decided_at"}.items():
        path = folder / "data" / f"{name}.parquet"
        pl.read_parquet(path).filter(pl.col(at) >= FROM).write_parquet(path)
    for path in (folder / "models").iterdir():
        text = path.read_text().replace("n_estimators: 200", "n_estimators: 10")
        path.write_text("\n".join(line for line in text.splitlines() if "gates:" not in line) + "\n")


def test_a_challenger_that_fails_on_flights_is_rolled_back_and_no_request_is_lost(tmp_path, redis_url, monkeypatch):
    folder = tmp_path / "canaried"
    write_flights(folder)
    fewer_flights(folder)
    monkeypatch.setattr(canaries, "VERSIONS", {"failing": CHAMPION + 1})
    build(folder, redis_url, ("failing",))
    with canaries.serving(folder, redis_url) as server:
        rows = rows_of(folder, canaries.columns_of(server.url), 2_000)
        with canaries.Clients(server.url, MODEL, rows) as clients:
            good, told = canaries.canary("failing", folder, redis_url, clients)
    assert (good, clients.lost) == (True, []), told


@pytest.mark.stress
def test_all_canaries_on_the_flights_end_as_they_should(tmp_path):
    command = [sys.executable, "-m", "benchmarks.canary", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
