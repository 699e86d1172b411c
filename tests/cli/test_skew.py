"""A model is scored and served with the features that it was trained on, or not at all."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.models.pickle_policy import PicklePolicy
from featurectl.serving.project.served_project import build_served
from featurectl.workspace.online_schema import read_online_schema
from featurectl.workspace.open import open_workspace
from tests.cli.gated import GOOD, Gated
from tests.prepared import make_once

VIEW_ROW = ("objects", "definition", "kind = 'feature_view' and name = 'v' and version = 1")
CHANGED = "{name: good, expr: good * 3}, poor"
INPUTS = f'{GOOD}, {{feature: "v:twice"}}, {{derived: [{{name: d, expr: good + 1}}]}}'


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """A champion on the first version of view v, which has two, both materialized and pushed."""
    monkeypatch.chdir(tmp_path)
    made = Gated(tmp_path, capsys, rows=300)
    make_once("two versions of a view", tmp_path, lambda: grow(made))
    made.parts |= {"features": INPUTS, "gates": "", "view": CHANGED}
    return made


def grow(shop):
    """Train on the first version of the view, and add the second."""
    shop.change(features=INPUTS, gates="")
    shop.train()
    shop.change("--allow-breaking", "v", view=CHANGED)
    shop.run("push")


def edit(table, column, where, change):
    """Change the JSON of a row of the registry, as a restored backup or a person may."""
    with closing(sqlite3.connect("r.db")) as connection, connection:
        ((text,),) = connection.execute(f"select {column} from {table} where {where}").fetchall()
        document = json.loads(text)
        change(document)
        connection.execute(f"update {table} set {column} = ? where {where}", [json.dumps(document)])


def edit_version(change):
    edit("model_versions", "document", "model = 'm'", change)


def served(before=None):
    """What a server would serve, and why it would not serve the rest."""
    with open_workspace(Path(), None, None, "unread") as workspace:
        return build_served(read_online_schema(workspace), workspace.offline_location(), PicklePolicy(), before)


def refused(shop, why, code=1, before=None):
    """Scoring and serving both say why they don't."""
    said = shop.run("score", "m", "--out", "x.csv", code=code).err
    assert why in said
    now = served(before)
    assert now.models == {}
    assert why in now.failures["m@1"]
    assert not (shop.root / "x.csv").exists()
    return said


@pytest.mark.long
def test_untouched_it_is_scored_and_served_on_its_own_version(shop):
    shop.run("score", "m", "--out", "x.csv")
    now = served()
    assert now.failures == {}
    assert [view.online.version for view in now.models["m", 1].reader.features.views] == [1]


@pytest.mark.long
def test_a_version_bound_to_another_version_of_the_view_is_refused(shop):
    edit_version(lambda found: found["view_versions"].update(v=2))
    said = refused(shop, "input good was trained on v@1, and v@2 is read")
    assert said.startswith("error[FC525]: model m version 1 is not asked: ")


def test_a_version_bound_elsewhere_to_another_is_refused_for_its_meaning(shop):
    def change(found):
        found["view_versions"]["v"] = 2
        for item in found["inputs"]:
            item["view_version"] = 2 if item["view"] else 0

    edit_version(change)
    refused(shop, "input good (v@2:good) means something else by now")


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("features", "column", "poor"),
        ("features", "default", 1.5),
        ("inputs", "expression", "poor"),
    ],
)
def test_a_view_whose_definition_was_edited_under_its_number_is_refused(shop, part, key, value):
    edit(*VIEW_ROW, lambda found: found[part][0].update({key: value}))
    refused(shop, "input good (v@1:good) means something else by now")


def test_a_derived_feature_that_was_edited_is_refused(shop):
    def change(found):
        found["derived"][0]["expression"] = "good * 20"

    edit(*VIEW_ROW, change)
    refused(shop, "input twice (v@1:twice) means something else by now")


@pytest.mark.parametrize(
    ("place", "key", "value", "why"),
    [
        (0, "feature", "poor", "its definition reads another feature for input good (v@1:good)"),
        (0, "view", "w", "its definition reads another feature for input good (v@1:good)"),
        (0, "default", 1.5, "input good (v@1:good) means something else by now"),
        (0, "name", "better", "its definition has other inputs than it was trained on"),
        (2, "expression", "good + 100", "input d means something else by now"),
    ],
)
def test_a_definition_of_the_model_that_was_edited_is_refused(shop, place, key, value, why):
    edit_version(lambda found: found["definition"]["inputs"][place].update({key: value}))
    refused(shop, why)


def test_an_input_that_was_taken_out_of_the_definition_is_refused(shop):
    edit_version(lambda found: found["definition"]["inputs"].pop())
    refused(shop, "its definition has other inputs than it was trained on")


def test_a_version_of_a_view_that_is_gone_is_refused(shop):
    with closing(sqlite3.connect("r.db")) as connection, connection:
        connection.execute("delete from objects where kind = 'feature_view' and name = 'v' and version = 1")
    refused(shop, "no feature view 'v@1' is applied", code=64)


def test_the_table_of_another_version_is_not_read_as_its_own(shop):
    """Both versions of v read `good`, one as it is and one times three: their tables hold other columns."""
    first, second = sorted((shop.root / "off" / "shop" / "v").iterdir())
    shutil.rmtree(first)
    shutil.copytree(second, first)
    said = shop.run("score", "m", "--out", "x.csv", code=1).err
    assert "FC510" in said


def test_a_server_lets_go_of_a_loaded_model_when_its_features_change(shop):
    before = served()
    assert ("m", 1) in before.models
    assert served(before).models["m", 1].runtime is before.models["m", 1].runtime
    edit_version(lambda found: found["view_versions"].update(v=2))
    refused(shop, "v@2 is read", before=before)


def test_a_view_edited_under_a_model_that_is_loaded_is_noticed(shop):
    before = served()

    def change(found):
        found["derived"][0]["expression"] = "good * 20"

    edit(*VIEW_ROW, change)
    refused(shop, "input twice (v@1:twice) means something else by now", before=before)


def test_a_version_from_before_fingerprints_is_held_to_its_numbers(shop):
    def older(found):
        for item in found["inputs"]:
            del item["fingerprint"]

    edit_version(older)
    shop.run("score", "m", "--out", "y.csv")
    assert served().failures == {}
    edit_version(lambda found: found["view_versions"].update(v=2))
    refused(shop, "input good was trained on v@1, and v@2 is read")


def test_features_added_to_the_view_and_words_about_it_change_nothing(shop):
    shop.change(view="{name: good, expr: good * 3, description: Thrice.}, poor, {name: new, expr: poor + 1}")
    shop.run("score", "m", "--out", "x.csv")
    assert served().failures == {}
