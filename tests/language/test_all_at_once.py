"""Problems of one run are all found at once, and what is wrong in one file adds none elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pytest

from featurectl.language.definitions.aggregates import AGGREGATES, meant_aggregate
from featurectl.language.load import load_repo
from tests.language.repository import BASE, PROJECT, write_repo

MODEL = """
models:
  - name: m
    spine: {source: flights, time: at, where: distance > 1, label: {name: late, expr: arr_delay > 15}}
    features:
      - {view: delays, features: [trend, count_1d]}
      - {request: {distance: int64}}
      - {derived: [{name: far, expr: distance * 2}]}
    trainer: {estimator: lightgbm.LGBMClassifier}
"""
MORE = """
feature_views:
  - {name: again, entity: carrier, source: arrivals, aggregates: [{op: count, windows: [2d]}]}
tests: [{name: t, view: delays, rows: [], spine: [{carrier: AA, time: 2026-01-01}], expect: [{count_1d: 0}]}]
"""
WATCHED = """
alerts: [{name: old, when: "freshness > 1d", severity: warning, notify: [ops], views: [delays]}]
notifiers: [{name: ops, command: "true"}]
"""


def errors(root: Path, files: Mapping[str, str]) -> set[tuple[str, str]]:
    """The errors of a repository: the file and the message."""
    problems = load_repo(write_repo(root, dict(files)), None).problems
    return {(problem.place.path, problem.message) for problem in problems if problem.severity == "error"}


def views_with(*edits: tuple[str, str]) -> str:
    text = BASE + MODEL
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return text


WRONG = [
    (("source: arrivals\n", "source: arrivls\n"), 'no source "arrivls"'),
    (("entity: carrier\n", "entity: carier\n"), 'no entity "carier"'),
    (("op: count,", "op: avg,"), 'no aggregate "avg"'),
    (("windows: [1d, 7d]", "windows: [1d, 7 days]"),
     '"7 days" is no window; windows are like 30s 15m 6h 7d 2w, or lifetime'),
    (("    derived:\n      - {name: trend", "    derivd: 1\n    derived:\n      - {name: trend"),
     'unknown key "derivd" in feature view "delays"'),
    (("spine: {source: flights", "spine: {source: flihgts"), 'no source "flihgts"'),
    (("{request: {distance: int64}}", "{request: {distance: whole}}"),
     'no type "whole"; types are string int64 float64 bool timestamp date decimal(p,s) list(T)'),
    (("{view: delays, features", "{view: dely, features"), 'no feature view "dely"'),
    (("estimator: lightgbm.LGBMClassifier", "estimatr: 1"), 'unknown key "estimatr" in this trainer'),
]  # fmt: skip


CAUSES = [
    (("{name: carrier, keys: {carrier: string", "{name: carrier, keys: {carrier: int64"),
     'key "carrier" is int64, column "carrier" of source "arrivals" is string'),
    (("{name: carrier, keys: {carrier: string", "{name: carrier, keys: {carrier: strng"),
     'no type "strng"; types are string int64 float64 bool timestamp date decimal(p,s) list(T)'),
    (("event_time: at\n    available_at", "available_at"),
     '"available_at" without "event_time": source "arrivals" is static, always true and known'),
    (("event_time: at\n    available_at: seen\n", "nan: keep\n"),
     'windows of 2 feature views need a time, and source "arrivals" has no event_time'),
    (("event_time: at\n    available_at", "even_time: at\n    available_at"),
     'unknown key "even_time" in source "arrivals"'),
    (("{name: carrier, keys: {carrier", "{name: carrier, keys: {carier"),
     'source "arrivals" has no column "carier", a key of entity "carrier"'),
    (("{name: carrier, keys: {carrier", "{name: carrier, key: {carrier"), 'unknown key "key" in entity "carrier"'),
    (("columns: {carrier: string, origin: string, dest: string, at: timestamp, dist",
      "columns: {carriers: string, origin: string, dest: string, at: timestamp, dist"), 'no column "carrier"'),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), list(combinations(WRONG, 2)))
def test_what_is_wrong_with_an_object_hides_nothing_else_of_it(tmp_path, one, other):
    edits = dict([one, other])
    found = {message for _, message in errors(tmp_path, {"a.yaml": views_with(*edits)})}
    assert set(edits.values()) <= found


@pytest.mark.parametrize("wrong", WRONG + CAUSES, ids=[said for _, said in WRONG + CAUSES])
def test_what_is_wrong_once_is_said_once(tmp_path, wrong):
    edit, said = wrong
    files = {"a.yaml": views_with(edit), "b.yaml": MORE}
    found = [p.message for p in load_repo(write_repo(tmp_path, files), None).errors]
    assert [message for message in found if "trainer needs one of" not in message] == [said]


def test_a_key_that_no_source_has_is_one_error_beside_one_of_the_source(tmp_path):
    key, said = next(cause for cause in CAUSES if "a key of entity" in cause[1])
    files = {"a.yaml": views_with(key, ("event_time: at\n", "event_time: att\n")), "b.yaml": MORE}
    found = [p.message for p in load_repo(write_repo(tmp_path, files), None).errors]
    assert sorted(found) == ['no column "att", which `event_time` names', said]


@pytest.mark.parametrize("key", ["entity", "source"])
def test_names_are_looked_up_in_a_view_that_is_none(tmp_path, key):
    wrong = "feature_views: [{name: v, entity: nobody, source: nothing, features: [x]}]\n".replace(
        f"{key}: no", f"{key}: [[a]], x: "
    )
    left = {"entity": 'no source "nothing"', "source": 'no entity "nobody"'}[key]
    assert ("b.yaml", left) in errors(tmp_path, {"a.yaml": BASE, "b.yaml": wrong})


DAMAGES = {
    "a tab": lambda text: "\t- x\n" + text,
    "a quote": lambda text: text[: text.rindex("}")] + '"',
    "a brace": lambda text: text + "\n{",
    "a list": lambda text: text.split(":", 1)[1],
    "twice": lambda text: text + text,
    "an alias": lambda text: text + "\nzz: *b\n",
    "a letter": lambda text: text.replace("s:", "z:", 1),
    "a word": lambda text: text.split(":")[0] + ": hello\n",
    "a mapping": lambda text: text.lstrip("\n").split(":")[0] + ": {a: b}\n",
    "no name": lambda text: text.replace("name:", "nam:", 1),
}  # fmt: skip
FILES = {
    "featurectl.yaml": PROJECT.replace("online:", "data_roots: [FAR], online:"),
    **{f"{part.split(':')[0]}.yaml": part for part in BASE.strip("\n").replace("\nsources:", "\0sources:")
       .replace("\nfeature_views:", "\0feature_views:").split("\0")},
    "far.yaml": "sources: [{name: far, path: FAR/x.parquet, event_time: at, columns: {at: timestamp}}]\n",
    "models.yaml": MODEL,
    "watched.yaml": WATCHED,
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.sample(30)
def test_an_unreadable_file_adds_no_error_elsewhere(tmp_path_factory, tmp_path, name, damage):
    far = tmp_path_factory.mktemp("far")
    (far / "x.parquet").touch()
    files = {path: text.replace("FAR", str(far)) for path, text in FILES.items()}
    assert errors(tmp_path, files) == set()
    found = errors(tmp_path, files | {name: DAMAGES[damage](files[name])})
    assert {path for path, _ in found} == (set() if (name, damage) == ("featurectl.yaml", "no name") else {name})


@pytest.mark.parametrize(
    ("word", "meant"),
    [("avg", "mean"), ("AVG", "mean"), ("std", "stddev"), ("nunique", "count_distinct"), ("quantile", "percentile"),
     ("Sum", "sum"), ("latest", "last"), ("meen", "mean")],
)  # fmt: skip
def test_an_aggregate_in_other_tools_words_is_understood(word, meant):
    assert meant in AGGREGATES
    assert meant_aggregate(word) == f'did you mean "{meant}"?'


def test_a_word_near_nothing_has_no_suggestion():
    assert meant_aggregate("zzz") == ""
