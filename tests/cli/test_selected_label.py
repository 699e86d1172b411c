"""A model whose label, spine and request columns are made by the `select` of its source."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.main import main
from tests.bad_input.shop import FILES
from tests.prepared import make_once

SELECT = "path: data/asks.csv, event_time: at, select: {sick: n < 20, few: n < 38, n2: n + 1, other: n + 2}"
LATER = """  - name: later
    path: data/asks.csv
    event_time: at
    columns: {customer: string, at: timestamp, paid: bool, n: int64}
    select: {sick: n < 21, few: n < 39, n2: n + 4, other: n + 5}"""
OBJECTS = (
    FILES["objects.yaml"]
    .replace("path: data/asks.csv, event_time: at", SELECT)
    .replace("label: {name: paid}", "where: few, label: {name: ill, expr: sick}")
    .replace("{request: {n: int64}}", "{request: {n2: int64}}")
    .replace("feature_views:", f"{LATER}\nfeature_views:")
    .replace("verbose: -1}", "verbose: -1}, validation: {source: later}")
)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run_command(*words, code=0):
        capsys.readouterr()
        assert main([*words]) == code
        return capsys.readouterr().out

    def train():
        (tmp_path / "data").mkdir()
        for name, text in (FILES | {"objects.yaml": OBJECTS}).items():
            (tmp_path / name).write_text(text)
        for words in (("apply", "--auto-approve"), ("materialize",), ("train", "pays")):
            run_command(*words)

    make_once("a model of selected columns", tmp_path, train)
    return run_command


@pytest.mark.parametrize(
    ("change", "field", "texts"),
    [
        (("sick: n < 20", "sick: n < 30"), "spine.label.select.sick", ("n < 20", "n < 30")),
        (("few: n < 38", "few: n < 36"), "spine.where.select.few", ("n < 38", "n < 36")),
        (("n2: n + 1", "n2: n + 3"), "features.n2.select.n2", ("n + 1", "n + 3")),
        (("sick: n < 21", "sick: n < 31"), "trainer.validation.select.sick", ("n < 21", "n < 31")),
    ],
)
@pytest.mark.sample(1)
def test_a_model_is_retrained_when_a_column_that_it_reads_is_another(run, tmp_path, change, field, texts):
    (tmp_path / "objects.yaml").write_text(OBJECTS.replace(*change))
    changes = {item["name"]: item for item in json.loads(run("plan", "-o", "json"))["result"]["changes"]}
    assert changes["later" if change[0] in LATER else "asks"]["kind"] == "metadata"
    found = changes["pays"]
    assert found["kind"] == "retrain"
    assert [(r["field"], r["old"], r["new"]) for r in found["reasons"]] == [(field, *texts)]


def test_a_column_that_no_model_reads_retrains_none(run, tmp_path):
    (tmp_path / "objects.yaml").write_text(
        OBJECTS.replace("other: n + 2", "other: n + 6").replace("other: n + 5", "other: n + 7")
    )
    changes = {item["name"]: item["kind"] for item in json.loads(run("plan", "-o", "json"))["result"]["changes"]}
    assert (changes["asks"], changes.get("pays", "unchanged")) == ("metadata", "unchanged")


def test_two_versions_differ_in_what_their_label_reads(run, tmp_path):
    (tmp_path / "objects.yaml").write_text(OBJECTS.replace("sick: n < 20", "sick: n < 30").replace("n + 4", "n + 3"))
    run("apply", "--auto-approve")
    run("train", "pays")
    said = " ".join(run("models", "diff", "pays@1", "pays@2").split())
    assert "~ label.select.sick n < 20 n < 30" in said
    assert "~ validation.select.n2 n + 4 n + 3" in said
    card = run("models", "show", "pays@2", "--card")
    assert " of later (`sick: n < 21`, `few: n < 39`, `n2: n + 3`), from " in card
