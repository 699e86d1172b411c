"""Commands on a repository with a stream that need no worker."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from featurectl.cli.main import main

PROJECT = """project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db", streams: "sqlite:///s.db"}
"""
OBJECTS = """entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes}
    history: swipes_files
    columns: {id: int64, card: string, at: timestamp}
    event_time: at
    dedup_key: [id]
  - {name: swipes_files, path: "data/*.parquet", event_time: at, dedup_key: [id]}
feature_views:
  - {name: recent, entity: card, source: swipes, aggregates: [{op: count, windows: [1h, lifetime_of_it]}]}
  - {name: latest, entity: card, source: swipes, features: [id]}
tests:
  - name: a late event
    view: recent
    rows: [{card: a, at: 2026-01-01T12:00:00Z, available_at: 2026-01-01T12:30:00Z}]
    spine: [{card: a, time: 2026-01-01T12:10:00Z}, {card: a, time: 2026-01-01T12:30:00Z}]
    expect: [{count_1h: 0}, {count_1h: 1}]
""".replace(", lifetime_of_it", "")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """The repository, with 3,000 events of three cards in its history, one every 20 s."""
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text(OBJECTS)
    (tmp_path / "data").mkdir()
    rows = [(number, "abc"[number % 3], START + timedelta(seconds=20 * number)) for number in range(3_000)]
    pl.DataFrame(rows, schema=["id", "card", "at"], orient="row").write_parquet(tmp_path / "data" / "a.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *args):
    code = main([*args])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.usefixtures("repo")
def test_a_stream_is_validated_tested_planned_and_applied(capsys):
    code, _, err = run(capsys, "validate")
    assert (code, err) == (0, "")
    assert run(capsys, "test")[0] == 0
    code, out, err = run(capsys, "plan", "-v")
    assert code == 0
    assert "swipes" in out
    assert (
        "! 60 events of an entity in 1h (99.9 %: 60, greatest: 60) at the end of swipes_files: the state of 3 entities "
        "takes about 3.2 kB"
    ) in out
    assert "recent  all rows with t - window <= event_time < t and taken by a worker up to t; windows 1h, exact" in out
    assert "3,000 rows" in out
    assert "After apply, materialize computes latest@1, recent@1; stream run keeps them online." in out
    code, out, _ = run(capsys, "apply", "--auto-approve")
    assert (code, out.splitlines()[-1]) == (0, "Applied to dev, serial 1: 5 added.")
    with closing(sqlite3.connect("o.db")) as store:  # which has no room for rows of views that nobody pushes
        assert store.execute("select count(*) from sqlite_master where name = 'views'").fetchone() == (0,)
    assert run(capsys, "plan")[0] == 0


def test_an_environment_in_which_no_worker_can_run_is_warned_of(repo, capsys):
    for was, other, told in (
        (', streams: "sqlite:///s.db"', "", "environment dev does not say where topics are"),
        ('"sqlite:///s.db"', '"sqlite:///s.db", now: 2026-01-02', "environment dev has a fixed clock (`now:`)"),
    ):
        (repo / "featurectl.yaml").write_text(PROJECT.replace(was, other))
        code, _, err = run(capsys, "plan")
        assert (code, f"warning: {told}" in err) == (0, True), err
    (repo / "featurectl.yaml").write_text(PROJECT)
    assert "warning" not in run(capsys, "plan")[2]


def test_a_history_that_is_not_here_leaves_a_plan_without_its_events(repo, capsys):
    (repo / "data" / "a.parquet").write_bytes(b"none")
    declared = "columns: {id: int64, card: string, at: timestamp}, "
    (repo / "objects.yaml").write_text(OBJECTS.replace("event_time: at, dedup", f"{declared}event_time: at, dedup"))
    code, out, err = run(capsys, "plan")
    assert (code, "recent" in out, "events of an entity" in out) == (0, True, False)
    (repo / "data" / "a.parquet").unlink()
    code, out, err = run(capsys, "plan")
    assert (code, "events of an entity" in out) == (0, False)
    assert "warning: source swipes_files: no file matches data/*.parquet" in err


def test_a_plan_is_selected_with_the_history_of_a_stream(repo, capsys):
    assert (repo / "objects.yaml").is_file()
    _, out, _ = run(capsys, "plan", "--select", "+latest")
    assert [name for name in ("card", "swipes_files", "latest", "recent") if name in out] == [
        "card",
        "swipes_files",
        "latest",
    ]
