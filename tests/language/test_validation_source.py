"""The source that a model is judged on stands whole in the model's definition, as that of a label does."""

import json
from dataclasses import replace

from featurectl.identity.lineage import Ref, build_graph
from featurectl.language.definitions.json_form import dump_definition, load_model
from tests.definitions import ARRIVALS, MODEL
from tests.language.repository import load

FILES = {
    "base.yaml": """
entities: [{name: k, keys: {k: string}}]
sources:
  - {name: s, path: s.csv, event_time: at, columns: {k: string, at: timestamp, y: float64}}
  - {name: other, path: o.csv, event_time: at, columns: {k: string, at: timestamp, y: float64}, select: {z: y * 2}}
feature_views: [{name: v, entity: k, source: s, features: [y]}]
models:
  - name: m
    spine: {source: s, time: at, label: {name: big, expr: y > 2}}
    features: [{feature: "v:y", as: f}]
    trainer: {run: python train.py, validation: {source: other}}
"""
}


def test_a_model_holds_the_source_that_it_is_judged_on_and_needs_it(tmp_path):
    repo = load(tmp_path, FILES)
    assert repo.errors == ()
    assert repo.unsupported == ()
    model = repo.models["m"]
    assert model.trainer.validation_source == repo.sources["other"]
    assert load_model(json.loads(json.dumps(dump_definition(model)))) == model
    graph = build_graph(repo.views.values(), [model])
    assert Ref("source", "other") in graph.needs[Ref("model", "m")]


def test_a_definition_that_holds_no_more_than_the_name_is_still_read():
    dumped = dump_definition(replace(MODEL, trainer=replace(MODEL.trainer, validation_source=ARRIVALS)))
    dumped["trainer"] = {**dumped["trainer"], "validation_source": "arrivals"}
    loaded = load_model(dumped).trainer.validation_source
    assert (loaded.name, loaded.path, loaded.sql) == ("arrivals", "", None)
    assert load_model(dump_definition(MODEL)).trainer.validation_source is None


def test_an_unfit_validation_source_is_named_before_any_data_is_read(tmp_path):
    text = (
        FILES["base.yaml"]
        .replace("y: float64}, select: {z: y * 2}}", "z: float64}}")
        .replace("at: timestamp, z", "on: timestamp, z")
    )
    text = text.replace("o.csv, event_time: at", "o.csv, event_time: on").replace(
        "time: at, label", "time: at, where: k <> 'a', label"
    )
    found = [(p.code, p.message) for p in load(tmp_path, {"base.yaml": text}).errors]
    assert found == [("FC301", f'validation source "other" has no column "{name}"') for name in ("at", "y")]


def test_a_horizon_label_needs_its_entitys_keys_in_a_validation_source(tmp_path):
    label = "{name: gone, entity: k, source: s, op: count, horizon: 1d, expr: count = 0}"
    text = FILES["base.yaml"].replace("{name: big, expr: y > 2}", label)
    assert load(tmp_path, {"base.yaml": text}).errors == ()
    text = text.replace("o.csv, event_time: at, columns: {k: string", "o.csv, event_time: at, columns: {c: string")
    (problem,) = load(tmp_path, {"base.yaml": text}).errors
    assert problem.message == 'validation source "other" has no column "k"'
    assert problem.place.line == 11
