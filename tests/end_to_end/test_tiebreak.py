"""Rows that tie in key, event time and availability are ordered by the source's tiebreak columns, on every path."""

import json

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.prepared import make_once

PROJECT = """project: cards
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2026-01-08T00:00:00Z}
"""
OBJECTS = """entities:
  - {name: card, keys: {card: string}}
sources:
  - name: swipes
    path: data/*.csv
    event_time: at
    tiebreak: [seq, note]
    columns: {card: string, at: timestamp, seq: int64, note: string, place: string, tie_0: int64,
      bucket: int64, event_time: int64, available_at: string, tie_order: bool}
feature_views:
  - {name: last_swipe, entity: card, source: swipes, features: [place]}
  - name: swipe_counts
    entity: card
    source: swipes
    aggregates:
      - {column: place, op: [first, last], windows: [7d]}
      - {column: tie_0, op: sum, windows: [7d], name: a}
      - {column: bucket, op: sum, windows: [7d], name: b}
      - {column: event_time, op: sum, windows: [7d], name: c}
      - {column: available_at, op: last, windows: [7d], name: d}
      - {column: tie_order, op: any, windows: [7d], name: e}
"""
HEAD = "card,at,seq,note,place,tie_0,bucket,event_time,available_at,tie_order\n"
LATER = "2026-01-05T00:00:00Z"
# One card, one instant; `seq` decides, then `note`; a null comes last of all.
TIED = [
    f"x,{LATER},1,z,first,1,10,100,p,false\n",
    f"x,{LATER},2,a,second,2,20,200,q,false\n",
    f"x,{LATER},2,b,third,3,30,300,r,false\n",
    f"x,{LATER},,,fourth,4,40,400,s,true\n",
]


@pytest.fixture
def repository(tmp_path, monkeypatch, capsys):
    """An applied repository without data, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    make_once("cards with ties", tmp_path, lambda: apply(tmp_path))
    capsys.readouterr()
    return tmp_path


def apply(root):
    (root / "data").mkdir()
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS)
    assert main(["apply", "--auto-approve"]) == 0


def add(repository, name, *lines):
    (repository / "data" / f"{name}.csv").write_text(HEAD + "".join(lines))
    assert main(["materialize", "-q"]) == 0


def values(capsys, view, *options):
    capsys.readouterr()
    assert main(["get", view, "card=x", "-o", "json", *options]) == 0
    return {n: f["value"] for n, f in json.loads(capsys.readouterr().out)["result"]["features"].items()}


def check(repository, capsys):
    """See that every path answers with the same first and last row."""
    (repository / "spine.csv").write_text("card,event_time\nx,2026-01-06T00:00:00Z\n")
    command = ["training-set", "--features", "last_swipe:place,swipe_counts:place_first_7d,swipe_counts:place_last_7d"]
    assert main([*command, "--spine", "spine.csv", "--out", "t.parquet"]) == 0
    row = pl.read_parquet("t.parquet").row(0, named=True)
    assert (row["place"], row["place_first_7d"], row["place_last_7d"]) == ("fourth", "first", "fourth")
    for options in ((), ("--offline",)):
        assert values(capsys, "last_swipe", *options) == {"place": "fourth"}
        found = values(capsys, "swipe_counts", *options)
        assert (found["place_first_7d"], found["place_last_7d"]) == ("first", "fourth")


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
@pytest.mark.sample(1)
def test_a_tiebreak_decides_whatever_the_order_of_the_rows(repository, capsys, order):
    add(repository, "1", *(TIED[i] for i in order))
    check(repository, capsys)


@pytest.mark.long
@pytest.mark.parametrize(
    "first", [[3], [1, 2], [2, 1, 0], *(pytest.param(f, marks=pytest.mark.stress) for f in ([0], [0, 3]))]
)
@pytest.mark.sample(1)
def test_a_tiebreak_decides_over_two_increments(repository, capsys, first):
    add(repository, "1", *(TIED[i] for i in first))
    add(repository, "2", *(line for i, line in enumerate(TIED) if i not in first))
    check(repository, capsys)


def test_columns_named_like_those_of_a_table_keep_their_own_values(repository, capsys):
    add(repository, "1", *TIED)
    found = values(capsys, "swipe_counts", "--offline")
    assert {name: found[f"{name}_7d"] for name in "abcde"} == {"a": 10, "b": 100, "c": 1000, "d": "s", "e": True}
