"""Between `apply` and `materialize` a view's new features can't be read from its table; the others can."""

from __future__ import annotations

import json

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - name: s
    path: s.csv
    event_time: at
    columns: {k: string, at: timestamp, qty: float64, amount: float64}
feature_views:
  - name: v
    entity: key
    source: s
    STORED
    derived: [DERIVED]
"""
MODELS = """
models:
  - {name: m, spine: {source: s, time: at, label: {name: big, expr: amount > 15}}, features: [{view: v, features: [old]}],
     trainer: {estimator: sklearn.linear_model.LogisticRegression}, allow_pickle: true}
"""  # noqa: E501  # lines of a file or a screen
STATE = "features: [qty, {name: x, expr: amount * 2}MORE]"
OLD = "{name: old, expr: qty + x}"
SPINE = "k,event_time\na,2026-01-05T00:00:00Z\nb,2026-01-05T00:00:00Z\n"


class Shop:
    """The repository in the current folder, whose view is written anew and read by every command."""

    def __init__(self, root, capsys):
        self.root, self.capsys = root, capsys

    def apply(self, stored, derived=OLD, more=""):
        text = OBJECTS.replace("STORED", stored).replace("DERIVED", derived)
        (self.root / "o.yaml").write_text(text + more)
        self.run("apply", "--auto-approve")

    def run(self, *words, code=0):
        self.capsys.readouterr()
        assert main([*words, "-q"]) == code
        return self.capsys.readouterr()

    def refused(self, *words, said):
        assert said in self.run(*words, code=1).err

    def training_set(self, features):
        self.run("training-set", "--features", features, "--spine", "spine.csv", "--out", "t.parquet")
        return pl.read_parquet("t.parquet").drop("k", "event_time").to_dict(as_series=False)

    def values(self, *words, view="v"):
        found = json.loads(self.run("get", view, "k=a", "-o", "json", *words).out)["result"]["features"]
        return {name: (item["value"], item["status"]) for name, item in found.items()}


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{'ab'[i % 2]},2026-01-{i + 1:02}T00:00:00Z,{i},{10 * i}\n" for i in range(4))
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "s.csv").write_text("k,at,qty,amount\n" + rows)
    (tmp_path / "spine.csv").write_text(SPINE)
    made = Shop(tmp_path, capsys)
    made.apply(STATE.replace("MORE", ""))
    made.run("materialize")
    return made


ADDED = STATE.replace("MORE", ", {name: z, expr: amount * 4}")
NEW = OLD + ", {name: new, expr: old + z}"
SAID = "error[FC510]: v@1 was not materialized since feature z was added\n  = featurectl materialize v\n"


@pytest.mark.parametrize("feature", ["z", "new", "*"])
@pytest.mark.sample(1)
def test_a_new_feature_and_what_is_derived_from_it_wait_for_materialize(shop, feature):
    shop.apply(ADDED, NEW)
    words = ("training-set", "--features", f"v:{feature}", "--spine", "spine.csv", "--out", "t.csv")
    shop.refused(*words, said=SAID)
    assert not (shop.root / "t.csv").exists()
    shop.run("materialize")
    shop.run(*words)


def test_a_reader_of_the_whole_view_waits_for_materialize(shop):
    shop.apply(ADDED, NEW)
    shop.refused("push", said=SAID)
    shop.refused("get", "v", "k=a", "--offline", said=SAID)
    shop.run("materialize")
    shop.run("push")
    assert shop.values("--offline")["z"] == (80.0, "PRESENT")
    assert shop.values() == shop.values("--offline")


def test_other_features_and_those_derived_from_them_are_read_as_before(shop):
    before = shop.training_set("v:old,v:qty")
    assert before == {"old": [42.0, 63.0], "qty": [2.0, 3.0]}
    shop.apply(ADDED, NEW)
    assert shop.training_set("v:old,v:qty") == before
    assert shop.values()["old"] == (42.0, "PRESENT")
    assert shop.values()["z"] == (None, "NOT_FOUND")


@pytest.mark.long
def test_a_model_over_the_other_features_is_trained_and_scores_as_before(shop):
    words = ("score", "m@1", "--allow-pickle", "--spine", "spine.csv", "--out")
    shop.apply(STATE.replace("MORE", ""), OLD, MODELS)
    shop.run("train", "m")
    shop.run(*words, "before.csv")
    shop.apply(ADDED, NEW, MODELS)
    shop.run("train", "m")
    shop.run(*words, "after.csv")
    assert (shop.root / "after.csv").read_text() == (shop.root / "before.csv").read_text()


def test_a_column_of_one_name_by_another_expression_is_not_the_new_one(shop):
    shop.apply("features: [qty]", "")
    shop.apply("features: [qty, {name: x, expr: amount * 3}]", "")
    words = ("training-set", "--features", "v:x", "--spine", "spine.csv", "--out", "t.csv")
    shop.refused(*words, said="v@1 was not materialized since feature x was added")
    shop.refused("push", said="v@1 was not materialized since feature x was added")
    assert shop.training_set("v:qty") == {"qty": [2.0, 3.0]}
    assert shop.values() == {"qty": (2.0, "PRESENT"), "x": (None, "NOT_FOUND")}
    shop.run("materialize")
    assert shop.training_set("v:x") == {"x": [60.0, 90.0]}
    assert shop.values()["x"] == (60.0, "PRESENT")


def test_two_new_aggregates_are_named_together_and_a_count_needs_no_column(shop):
    window = "  - {name: w, entity: key, source: s, aggregates: [{column: qty, op: sum, windows: [7d]}MORE]}\n"
    first = STATE.replace("MORE", "")
    shop.apply(first, OLD, window.replace("MORE", ""))
    shop.run("materialize")
    more = ", {op: count, windows: [7d]}, {column: amount, op: max, windows: [1d, 7d]}"
    shop.apply(first, OLD, window.replace("MORE", more))
    assert shop.training_set("w:count_7d,w:qty_sum_7d") == {"count_7d": [2, 2], "qty_sum_7d": [2.0, 4.0]}
    said = "w@1 was not materialized since features amount_max_1d, amount_max_7d were added"
    shop.refused("training-set", "--features", "w:*", "--spine", "spine.csv", "--out", "t.csv", said=said)


def test_an_aggregate_that_returns_with_another_meaning_is_not_read_as_old(shop):
    """Neither the columns of the table nor the names and types of the row tell the two apart."""
    window = "  - {name: w, entity: key, source: s, aggregates: [{op: count, windows: [30d]}MORE]}\n"
    total = ", {name: n, column: qty, op: sum, windows: [30d]}"

    def apply(more):
        shop.apply(STATE.replace("MORE", ""), OLD, window.replace("MORE", more))

    apply(total)
    shop.run("materialize")
    assert shop.values(view="w") == {"count_30d": (2, "PRESENT"), "n_30d": (2.0, "PRESENT")}
    apply("")
    apply(total.replace("sum", "min"))
    assert shop.values(view="w") == {"count_30d": (2, "PRESENT"), "n_30d": (None, "NOT_FOUND")}
    shop.run("push")
    assert shop.values(view="w") == {"count_30d": (2, "PRESENT"), "n_30d": (0.0, "PRESENT")}
    assert shop.values(view="w") == shop.values("--offline", view="w")
