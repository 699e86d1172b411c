"""Predictions on the events of a spine: what a model may say of them."""

from __future__ import annotations

import json

import pytest

from featurectl.identity.facts.models import model_facts, model_metadata
from featurectl.language.definitions.json_form import dump_definition, load_model
from featurectl.language.definitions.on_events import MAX_AGE_US
from tests.language.repository import PROJECT, load

SWIPES = """
entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes}
    columns: {card: string, amount: float64, at: timestamp, fraud: bool, sent: timestamp}
    event_time: at
  - {name: files, path: f.csv, columns: {card: string, amount: float64, at: timestamp, fraud: bool}, event_time: at}
feature_views:
  - {name: spend, entity: card, source: swipes, aggregates: [{op: count, windows: [1h]}]}
models:
  - name: fraud
    spine: {source: swipes, time: at, known_at: available_at, label: {name: fraud}}
    features: [{view: spend, features: "*"}, {request: {amount: float64}}]
    on_events: {to: {topic: scores}, where: amount > 0, max_age: 5s}
"""
LEAST = "on_events: {to: {topic: scores}}"
WHOLE = "on_events: {to: {topic: scores}, where: amount > 0, max_age: 5s}"


def found(tmp_path, *pairs):
    """The repository of swipes with some texts replaced."""
    text = SWIPES
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    return load(tmp_path, {"x.yaml": text})


def test_predictions_on_events_are_read(tmp_path):
    repo = found(tmp_path)
    assert [problem for problem in repo.problems if problem.severity != "note"] == []
    said = repo.models["fraud"].on_events
    assert (said.topic, said.url, said.path, said.max_age_us) == ("scores", "", "", 5_000_000)
    assert said.where.tree.dtype == "bool"
    assert found(tmp_path, (WHOLE, LEAST)).models["fraud"].on_events.max_age_us == MAX_AGE_US


def test_they_are_registered_and_change_no_score(tmp_path):
    model = found(tmp_path).models["fraud"]
    assert load_model(json.loads(json.dumps(dump_definition(model)))) == model
    other = found(tmp_path, (WHOLE, LEAST)).models["fraud"]
    assert model_facts(model) == model_facts(other)
    assert model_metadata(model) != model_metadata(other)
    none = found(tmp_path, (f"    {WHOLE}\n", "")).models["fraud"]
    assert not [name for name in model_metadata(none) if "on_events" in name]
    assert "on_events" not in dump_definition(none)


@pytest.mark.parametrize(
    ("before", "after", "code", "message"),
    [
        ("source: swipes, time", "source: files, time", "FC318",
         'source "files" of the spine is no stream: there are no events to be predicted'),
        ("swipes, time: at", "swipes, time: sent", "FC318",
         'the spine\'s time is "sent", and events are scored as of their event_time'),
        ("topic: scores", "topic: swipes", "FC318",
         'predictions in topic "swipes" would be events of the model\'s own source'),
        ("source: swipes, aggregates", "source: swipes, online: false, aggregates", "FC318",
         "events are scored by what is online, and spend is offline only"),
        ("{topic: scores}", "{topic: scores, path: x}", "FC107", '"path" excludes "topic" in this to'),
        ("{topic: scores}", "{path: x, url: 'redis://r'}", "FC107",
         '"url" goes with "topic", which this to does not have'),
        ("{topic: scores}", "{topic: s, url: 'http://r'}", "FC104", 'no topics are at "http://"'),
        ("amount > 0", "amount", "FC302", "this is float64, must be bool"),
        ("amount > 0", "amuont > 0", "FC301", 'no column "amuont"'),
        ("to: {topic: scores}, ", "", "FC103", 'no "to" in this on_events'),
    ],
    ids=["files", "time", "loop", "offline", "both", "url", "address", "number", "unknown", "nowhere"],
)  # fmt: skip
def test_what_can_not_be_is_refused(tmp_path, before, after, code, message):
    [problem] = found(tmp_path, (before, after)).errors
    assert problem.code == code
    assert problem.message == message


def test_a_model_that_is_trained_on_other_instants_is_told(tmp_path):
    repo = found(tmp_path, ("known_at: available_at, ", ""))
    assert [problem.code for problem in repo.problems if problem.severity == "warning"] == ["FC361"]


@pytest.mark.parametrize(
    ("streams", "own", "to", "is_own"),
    [
        ("redis://cache", "", "redis://Cache:6379/0", True),
        ("redis://cache", "redis://cache/", "", True),
        ("redis://cache", "redis://cache/1", "", False),
        ("", "redis://ana@cache?db=1", "rediss://cache/1", True),
        ("redis://cache", "${PARTNER}", "${PARTNER:-redis://cache}", True),
        ("redis://cache", "${PARTNER}", "", False),
    ],
)
def test_the_own_topic_is_known_however_it_is_spelled(tmp_path, streams, own, to, is_own):
    text = SWIPES.replace("{topic: swipes}", f'{{topic: swipes, url: "{own}"}}' if own else "{topic: swipes}")
    text = text.replace("{topic: scores}", f'{{topic: swipes, url: "{to}"}}' if to else "{topic: swipes}")
    project = PROJECT.replace("offline: off", f'offline: off, streams: "{streams}"' if streams else "offline: off")
    repo = load(tmp_path, {"featurectl.yaml": project, "x.yaml": text})
    assert [problem.code for problem in repo.errors] == ["FC318"] * is_own
