"""A better version takes over, a worse one and a leaky one do not, and the one before comes back."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.models.pickle_policy import PicklePolicy
from featurectl.serving.project.served_project import build_served
from featurectl.workspace.online_schema import read_online_schema
from featurectl.workspace.open import open_workspace
from tests.cli.gated import GAIN, GOOD, POOR, Gated
from tests.prepared import make_once


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = Gated(tmp_path, capsys)
    make_once("a gated model", tmp_path, made.change)
    return made


def gate(result, name):
    (found,) = [item for item in result["gates"] if item["name"] == name]
    return found


@pytest.mark.long
def test_the_first_version_to_pass_is_champion_and_a_rejected_one_is_not(shop):
    first = shop.train(code=1, gates="min_auc: 0.8")
    assert (first["status"], gate(first, "min_auc")["asked"]) == ("rejected", "at least 0.8")
    assert shop.aliases() == {}
    second = shop.train(features=GOOD)
    assert (second["status"], gate(second, "min_auc")["passed"]) == ("registered", True)
    assert (first["aliases"], second["aliases"]) == ([], ["champion"])
    assert shop.aliases() == {"champion": 2}
    assert shop.history()[0] == "train: m v2, champion -> v2"
    assert "train: m v1 (rejected)" in shop.history()


@pytest.mark.long
def test_a_failed_gate_prints_what_was_measured_and_what_was_asked(shop):
    said = shop.run("train", "m", "--again").out
    assert "rejected" not in said
    assert said.endswith("\nm version 1 is the champion.\n")
    shop.change(gates="min_auc: 0.99")
    out = shop.run("train", "m", "--again", code=1).out
    assert "min_auc  FAIL  at least 0.99  0." in out
    assert out.endswith("rejected: it fails 1 gate; kept, and not champion.\n")
    assert "m      2        rejected" in shop.run("models", "list").out
    shop.change(gates="")
    third = shop.run("train", "m", "--again").out
    assert third.endswith("\nThe champion is version 1 still; featurectl models promote m@3 changes that.\n")
    assert "min_auc             FAIL  at least 0.99" in shop.run("models", "show", "m@2").out


def test_a_better_version_is_promoted_and_a_worse_one_refused_with_figures(shop):
    shop.train_both()
    done = shop.result("models", "promote", "m@2")
    assert (done["promoted"], done["before"]) == (True, 1)
    gained = gate(done, "min_auc_gain_over_champion")
    assert gained["passed"] is True
    assert "champion v1 0." in gained["measured"]
    assert shop.aliases() == {"champion": 2, "previous": 1}
    assert shop.history()[0] == "models promote: m champion v1 -> v2"
    said = shop.run("models", "promote", "m@1", code=1).out
    assert re.search(
        r"min_auc_gain_over_champion  FAIL  at least -0\.002 +-0\.\d+ \(0\.\d+, champion v2 0\.\d+\)\n", said
    )
    assert said.endswith("m version 1 fails a gate and is not promoted; the champion is version 2 still.\n")
    assert shop.aliases() == {"champion": 2, "previous": 1}
    assert len([line for line in shop.history() if line.startswith("models")]) == 1


@pytest.mark.long
def test_a_worse_version_is_rejected_at_training_and_can_not_be_promoted(shop):
    shop.train(features=GOOD)
    worse = shop.train(code=1, features=POOR)
    lost = gate(worse, "min_auc_gain_over_champion")
    assert (worse["status"], lost["passed"]) == ("rejected", False)
    assert lost["measured"].startswith("-0.")
    refused = shop.result("models", "promote", "m@2", code=1)
    assert (refused["promoted"], refused["gates"]) == (False, worse["gates"])
    assert "m version 2 fails a gate and is not promoted" in shop.run("models", "promote", "m@2", code=1).out
    assert shop.aliases() == {"champion": 1}


@pytest.mark.long
def test_the_gain_is_over_todays_champion_and_not_that_of_the_training(shop):
    shop.train(gates="")
    shop.train(features=GOOD)
    shop.change(gates=GAIN, features=POOR)
    assert shop.result("models", "promote", "m@2")["promoted"]
    shop.change(gates="")
    third = shop.train()
    assert third["status"] == "registered"
    shop.change(gates=GAIN)
    assert not shop.result("models", "promote", "m@3", code=1)["promoted"]
    shop.run("models", "rollback", "m")
    assert shop.result("models", "promote", "m@3")["promoted"]


@pytest.mark.long
def test_a_gate_added_after_the_training_is_measured_at_the_promotion(shop):
    shop.train_both()
    shop.change(gates="min_auc: 0.99, slices: [kind]", features=f"{GOOD}, {{feature: 'v:kind', type: category}}",
                view="good, poor, kind")  # fmt: skip
    refused = shop.run("models", "promote", "m@2", code=1)
    assert re.search(r"min_auc +FAIL  at least 0\.99 +0\.", refused.out)
    assert "not measured: the version has no input kind" in refused.out
    shop.change(gates="min_auc: 0.6", features=GOOD)
    assert gate(shop.result("models", "promote", "m@2"), "min_auc")["passed"] is True


@pytest.mark.long
def test_a_rejected_version_is_promoted_by_the_gates_that_are_applied_now(shop):
    first = shop.train(features=GOOD, gates="min_auc: 0.999", code=1)
    assert first["status"] == "rejected"
    assert (
        gate(shop.result("models", "promote", "m@1", code=1), "min_auc")["measured"]
        == gate(first, "min_auc")["measured"]
    )
    shop.change(gates="min_auc: 0.8")
    done = shop.result("models", "promote", "m@1")
    assert [item["name"] for item in done["gates"] if item["passed"] is False] == []
    assert (done["promoted"], gate(done, "min_auc")["asked"]) == (True, "at least 0.8")
    assert (done["status"], shop.aliases()) == ("registered", {"champion": 1})
    shop.change(gates="min_auc: 0.999")
    assert shop.train(code=1)["status"] == "rejected"
    shop.change(gates="")
    assert shop.result("models", "promote", "m@2")["promoted"]


def test_a_rejected_version_holds_no_views_and_needs_them_to_be_promoted(shop):
    shop.train(code=1, gates="min_auc: 0.99")
    shop.change(view="{name: good, expr: good * 2}, poor", gates="")
    shop.change(view="good, {name: poor, expr: poor * 2}")
    before = shop.history()
    table = shop.run("materialize").out
    assert ("v@3" in table, "v@1" in table) == (True, False)
    said = shop.run("models", "promote", "m@1", code=64).err
    assert "model m version 1 can't be promoted: v@1 was retired, and nothing keeps its values up to date" in said
    with open_workspace(Path(), None, None, "unread") as workspace:
        served = build_served(read_online_schema(workspace), workspace.offline_location(), PicklePolicy())
    assert "model m version 1 can't be served: v@1 was retired" in str(served.fetch("m", "1"))
    assert (shop.aliases(), shop.history()) == ({}, before)


@pytest.mark.long
def test_a_version_that_passed_is_not_promoted_by_gates_that_ask_more_now(shop):
    shop.train(gates="")
    shop.train(features=GOOD)
    shop.change(gates="min_auc: 0.999")
    refused = shop.result("models", "promote", "m@2", code=1)
    assert (refused["status"], gate(refused, "min_auc")["passed"]) == ("registered", False)
    assert shop.aliases() == {"champion": 1}


def test_a_leaky_version_is_caught_by_max_auc_and_by_its_feature_alone(shop):
    leak = 'good, poor, {name: told, expr: "case when y then 1.0 else 0.0 end"}'
    found = shop.train(code=1, view=leak, features=f'{GOOD}, {{feature: "v:told"}}', gates="max_auc: 0.95")
    assert {item["name"] for item in found["gates"] if item["passed"] is False} == {"max_auc", "single_feature_auc"}
    assert gate(found, "single_feature_auc")["measured"] == "told 1"
    assert shop.aliases() == {}


@pytest.mark.long
def test_a_rollback_undoes_one_promotion_and_says_so_when_repeated(shop):
    shop.train(gates="")
    for _ in range(2):
        shop.train()
    for number in (2, 3):
        shop.run("models", "promote", f"m@{number}")
    assert shop.aliases() == {"champion": 3, "previous": 2}
    done = shop.run("models", "rollback", "m")
    assert done.out == "m: the champion is version 2 again, in place of version 3.\n"
    assert shop.history()[0] == "models rollback: m champion v3 -> v2"
    serial = len(shop.history())
    for _ in range(2):
        assert shop.run("models", "rollback", "m").out == "m: nothing to undo; the champion is version 2 still.\n"
    assert (shop.aliases(), len(shop.history())) == ({"champion": 2}, serial)


def test_promoting_the_champion_changes_nothing(shop):
    shop.train()
    before = shop.history()
    assert shop.run("models", "promote", "m@1").out == "m version 1 is the champion already.\n"
    assert shop.history() == before


def test_a_name_that_nothing_has_is_wrong_usage(shop):
    shop.train()
    for words, said in (
        (("promote", "m@9"), "model m has no version '9'"),
        (
            ("promote", "m"),
            "model m has no challenger to promote\n  = featurectl models promote m@VERSION; versions: 1",
        ),
        (("promote", "n@1"), "no model 'n' is applied"),
        (("rollback", "n"), "no model 'n' is applied"),
        (("rollback", "m@1"), "'m@1' is no model's name"),
        (("diff", "m@1", "m@9"), "model m has no version '9'"),
        (("diff", "m@1", "2"), "'2' is no model's name\n  = featurectl models diff m@1 m@2"),
        (("list", "--uses", "x"), "no feature view 'x' is applied"),
        (("list", "--uses", "v:x"), "view v has no feature 'x'"),
        (("list", "--uses", "v@"), "--uses v@: not a view or a feature"),
    ):
        assert said in shop.run("models", *words, code=64).err


def test_a_version_whose_rows_were_changed_is_not_judged_by_them(shop):
    shop.train_both()
    version = shop.result("models", "show", "m@2")
    (shop.root / "off" / version["judged"]).write_bytes(b"PAR1")
    said = shop.run("models", "promote", "m@2", code=1).err
    assert "is not the file that was registered" in said
    assert shop.aliases() == {"champion": 1}


def test_an_unservable_version_is_not_promoted_though_no_gate_needs_a_file(shop):
    shop.train(gates="")
    version = shop.train()
    for kind in ("artifact", "onnx", "golden"):
        path = shop.root / "off" / version[kind]
        content = path.read_bytes()
        path.unlink()
        assert "error[FC512]: model artifact " in shop.run("models", "promote", "m@2", code=1).err
        path.write_bytes(content)
    edit(2, '"view_version":1', '"view_version":2')
    said = shop.run("models", "promote", "m@2", code=1).err
    assert "error[FC525]: model m version 2 is not asked: input poor was trained on v@2, and v@1 is read" in said
    assert shop.aliases() == {"champion": 1}
    edit(2, '"view_version":2', '"view_version":1')
    assert shop.result("models", "promote", "m@2")["promoted"]


def edit(version, old, new):
    """Change the row of a model version, as a restored backup or a person may."""
    with closing(sqlite3.connect("r.db")) as connection, connection:
        query = "update model_versions set document = replace(document, ?, ?) where version = ?"
        assert connection.execute(query, [old, new, version]).rowcount == 1


def test_a_champion_whose_file_is_gone_is_not_beaten(shop):
    shop.train_both()
    first = shop.result("models", "show", "m@1")
    (shop.root / "off" / first["artifact"]).unlink()
    done = shop.result("models", "promote", "m@2", code=1)
    gained = gate(done, "min_auc_gain_over_champion")
    assert gained["passed"] is False
    assert gained["measured"].startswith("not measured: champion v1: model artifact ")


def test_two_versions_are_compared(shop):
    shop.train()
    shop.train(features=f'{GOOD}, {{feature: "w:poor", as: other}}', gates="min_auc: 0.6")
    document = shop.result("models", "diff", "m@1", "m@2")
    assert document["differ"]["inputs"] == ["poor", "good", "other"]
    feature = {"type": "float64", "view_version": 1, "join": {"k": "k"}}
    assert document["a"]["inputs"] == {"poor": {**feature, "view": "v", "feature": "poor"}}
    assert document["b"]["inputs"] == {
        "good": {**feature, "view": "v", "feature": "good"},
        "other": {**feature, "view": "w", "feature": "poor"},
    }
    assert document["a"]["metrics"]["auc"] == pytest.approx(0.6, abs=0.2)
    assert (document["a"]["about"]["rows"], document["a"]["parameters"]["n_estimators"]) == (400, 10)
    assert document["differ"]["question"] == []
    assert document["differ"]["parameters"] == []
    assert "auc" in document["differ"]["metrics"]
    assert "~  auc" in shop.run("models", "diff", "m", "m@2").out
    same = shop.result("models", "diff", "m@2", "m@2")
    assert set(map(tuple, same["differ"].values())) == {()}


def test_what_uses_a_view_or_a_feature_is_listed(shop):
    shop.train()
    shop.train(features='{feature: "v:twice"}, {feature: "w:poor"}')

    def using(what):
        return sorted(item["version"] for item in shop.result("models", "list", "--uses", what)["versions"])

    assert using("v") == using("v@1") == [1, 2]
    assert using("w") == using("w:poor") == using("v:twice") == [2]
    assert using("v:good") == [2]  # which `twice` is made of
    assert using("v:poor") == using("v@1:poor") == [1]
    assert using("v@2") == []
    assert shop.run("models", "list", "--uses", "v@2").out == "No model version uses v@2.\n"


@pytest.mark.long
def test_a_champion_whose_features_can_not_be_read_just_now_rejects_nobody(shop):
    shop.train()
    shop.change(features='{feature: "w:poor"}')
    files = list((shop.root / "off" / "shop" / "v").rglob("*.parquet"))
    whole = [file.read_bytes() for file in files]
    for file in files:
        file.write_bytes(b"PAR1")
    assert "off/shop/v/v1 can't be read" in shop.run("train", "m", "--again", code=69).err
    assert [item["version"] for item in shop.result("models", "list")["versions"]] == [1]
    for file, content in zip(files, whole, strict=True):
        file.write_bytes(content)
    assert shop.train()["status"] == "registered"
