"""Canaries on the flights, under load: a sample with six days of them; all of it is `python -m benchmarks.canary`."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import polars as pl
import pytest

from benchmarks.canary import __main__ as canaries
from benchmarks.canary import flights
from benchmarks.canary.flights import CHAMPION, MODEL, build, rows_of, write_flights, write_model
from benchmarks.pit.measure import ROOT
from featurectl.cli.main import main
from tests.end_to_end.flights import SOURCES

pytestmark = pytest.mark.long  # of programs that measure, not of the package

FROM = datetime(2013, 12, 26, tzinfo=UTC)


def fewer_flights(folder):
    """Leave six days of rows, and models that are trained in a moment."""
    for name, at in {**SOURCES, "flights": "decided_at"}.items():
        path = folder / "data" / f"{name}.parquet"
        pl.read_parquet(path).filter(pl.col(at) >= FROM).write_parquet(path)
    path = folder / "models" / f"{MODEL}.template"
    text = path.read_text().replace("n_estimators: 200", "n_estimators: 10")
    path.write_text("\n".join(line for line in text.splitlines() if "gates:" not in line) + "\n")
    write_model(folder)


def run_here(folder, online, *words):
    """Run a command in this process: a dozen new ones would take longer than the canary."""
    assert os.environ["ONLINE"] == online
    assert main([*words, "-C", str(folder), "-q"]) == 0, words
    return ""


@pytest.mark.stress
def test_a_failing_challenger_on_flights_is_rolled_back_without_a_loss(tmp_path, redis_url, monkeypatch):
    folder = tmp_path / "canaried"
    write_flights(folder)
    fewer_flights(folder)
    monkeypatch.setattr(canaries, "VERSIONS", {"failing": CHAMPION + 1})
    monkeypatch.setenv("ONLINE", redis_url)
    for module in (canaries, flights):
        monkeypatch.setattr(module, "run", run_here)
    build(folder, redis_url, ("failing",))
    with canaries.serving(folder, redis_url) as server:
        rows = rows_of(folder, canaries.columns_of(server.url), 1_000)
        with canaries.Clients(server.url, MODEL, rows) as clients:
            good, told = canaries.canary("failing", folder, redis_url, clients)
    assert (good, clients.lost) == (True, []), told


@pytest.mark.stress
def test_all_canaries_on_the_flights_end_as_they_should(tmp_path):
    command = [sys.executable, "-m", "benchmarks.canary", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
