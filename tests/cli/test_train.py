"""`train`: on another source, by a command, and once more from a version; what `models show` tells of it."""

import json
import re
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import joblib
import pytest
from sklearn.dummy import DummyClassifier
from sqlalchemy import create_engine, text

from featurectl.core.errors import StoreError
from featurectl.offline.delta import DeltaStore
from featurectl.workspace.open import open_workspace
from tests.cli.train_shop import LIGHTGBM, ROWS, SCRIPT, make_shop

LOGISTIC = "estimator: sklearn.tree.DecisionTreeClassifier, params: {max_depth: 2}"


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return make_shop(tmp_path, capsys)


def test_a_model_is_judged_on_another_source_that_the_registry_keeps_whole(shop):
    shop.make(f"{LIGHTGBM}, validation: {{source: later}}")
    said = shop.run("train", "m").out
    assert "trained on 40 rows, validated on 20 of later" in said
    shown = shop.json("models", "show", "m")
    assert (shown["rows_train"], shown["rows_validation"]) == (40, 20)
    assert shown["params"]["validation_source"] == "later"
    assert shown["manifest"]["spine"]["origin"] == "source s"
    assert shown["manifest"]["validation"]["spine"]["origin"] == "source later"
    assert "auc" in shown["metrics"]
    (shop.root / "o.yaml").write_text(
        "entities: [{name: key, keys: {k: string}}]\n"
    )  # what version 1 was judged on is known without the files
    assert "the same metrics, the same bytes" in shop.run("train", "m", "--from-version", "1").out


def test_a_validation_source_without_the_label_is_told(shop):
    (shop.root / "later.ndjson").write_text('{"k": "k1", "at": "2026-01-06T00:00:00Z", "price": 3.0}\n')
    untold = (
        "later.csv, event_time: at, columns: {k: string, at: timestamp, amount: float64}",
        "later.ndjson, event_time: at",
    )
    shop.make(f"{LIGHTGBM}, validation: {{source: later}}", untold=untold)
    said = shop.run("train", "m", code=1).err
    assert "error[FC506]: spine source later lacks a column of the label big\n" in said


@pytest.mark.long
def test_a_trainers_command_runs_in_the_repository_and_makes_a_full_model(shop):
    shop.make()
    shop.run("train", "m")
    run = shlex.join([sys.executable, "fit.py"])
    shop.make(LIGHTGBM.replace("estimator: lightgbm.LGBMClassifier", f"run: {json.dumps(run)}"))
    (shop.root / "fit.py").write_text(SCRIPT)
    said = shop.run("train", "m")
    assert "fitting 30 of 40\n" in said.err
    assert "fitting" not in said.out
    first, second = shop.json("models", "show", "m@1"), shop.json("models", "show", "m@2")
    assert second["artifact_sha256"] == first["artifact_sha256"]
    assert second["metrics"] == first["metrics"]
    assert second["params"]["run"] == run
    assert set(first["libraries"]) == set(second["libraries"])
    shop.run("score", "m@2", "--out", "scores.csv")
    assert "fit.py" in shop.run("models", "show", "m@2", "--card").out
    assert "the same metrics, the same bytes" in shop.run("train", "m", "--from-version", "2").out
    (shop.root / "fit.py").write_text("import sys; sys.exit('no such luck')")
    failed = shop.run("train", "m", code=1).err
    assert "fit.py` ended with 1" in failed
    assert "it said: no such luck" in failed
    assert len(shop.json("models", "list")["versions"]) == 2


@pytest.mark.long
def test_a_version_is_compared_with_the_champion_of_when_it_is_registered(shop):
    gated = ("    owner: ana", "    owner: ana\n    gates: {min_auc_gain_over_champion: -1}")
    shop.make(gated=gated)
    shop.run("train", "m")
    shop.run("train", "m", "--again")
    shop.run("models", "promote", "m@2")
    artifact = str(shop.root / "off" / shop.json("models", "show", "m@1")["artifact"])
    script = "import os, shutil, sys\nfrom featurectl.cli.main import main\n"
    script += f"shutil.copy({artifact!r}, os.path.join(os.environ['FEATURECTL_OUT'], 'model.txt'))\n"
    (shop.root / "fit.py").write_text(script + "sys.exit(main(['models', 'rollback', 'm', '-q']))\n")
    run = json.dumps(shlex.join([sys.executable, "fit.py"]))
    shop.make(LIGHTGBM.replace("estimator: lightgbm.LGBMClassifier", f"run: {run}"), gated=gated)
    (found,) = [item for item in shop.json("train", "m")["gates"] if item["name"] == "min_auc_gain_over_champion"]
    assert "champion v1" in found["measured"]


@pytest.mark.long
def test_a_pickle_of_a_command_is_trained_only_with_both_leaves(shop):
    joblib.dump(DummyClassifier().fit([[0.0]] * 2, [False, True]), shop.root / "model.pkl")
    run = json.dumps(shlex.join(["sh", "-c", 'cp model.pkl "$FEATURECTL_OUT"']))
    shop.make(f"run: {run}")
    assert "FC514" in shop.run("train", "m", "--allow-pickle", code=1).err
    shop.make(f"run: {run}", allow=("    owner: ana", "    owner: ana\n    allow_pickle: true"))
    assert "allow it: --allow-pickle" in shop.run("train", "m", code=64).err
    shop.run("train", "m", "--allow-pickle")
    assert shop.json("models", "show", "m")["artifact_format"] == "pkl"


@pytest.mark.long
def test_odd_inputs_are_warned_of_on_stderr_and_in_json(shop):
    shop.rows([row.replace(",a,", ",,").replace(",b,", ",,") for row in ROWS])
    shop.make()
    assert "warning: input c: null throughout\n" in shop.run("train", "m").err
    assert "warning" not in shop.run("train", "m", "--again", "-q").err
    (warning,) = shop.json("train", "m", "--again")["warnings"]
    assert warning == {"input": "c", "count": 30, "rows": 30, "message": "c: null throughout"}


@pytest.mark.long
@pytest.mark.parametrize("trainer", [LIGHTGBM, LOGISTIC])
@pytest.mark.sample(1)
def test_a_version_is_trained_again_to_the_same_though_its_source_grew(shop, trainer):
    shop.make(trainer)
    shop.run("train", "m")
    more = [row.replace("2026-01-0", "2026-01-1").replace(",1", ",9") for row in ROWS[:20]]
    shop.rows([*ROWS, *more])
    shop.make(trainer.replace("max_depth: 2", "max_depth: 1").replace("n_estimators: 5", "n_estimators: 9"))
    shop.run("train", "m")
    found = shop.json("train", "m", "--from-version", "1")
    assert found["same_metrics"]
    assert found["same_bytes"] == (trainer == LIGHTGBM)  # two skops files always differ
    assert (found["rows_train"], found["registered"]) == (30, False)
    assert len(shop.json("models", "list")["versions"]) == 2
    assert shop.json("models", "show", "m@2")["rows_train"] == 45
    said = shop.run("train", "m", "--from-version", "1", "--register").out
    assert "m version 1 once more: the same metrics" in said
    assert "m version 3: 3 inputs, trained on 30 rows" in said
    assert shop.json("models", "show", "m@3")["params"] == shop.json("models", "show", "m@1")["params"]


def test_what_is_gone_of_a_version_is_said(shop):
    shop.make()
    shop.run("train", "m")
    said = shop.run("train", "m", "--from-version", "4", code=64).err
    assert "model m has no version '4'" in said
    assert "--register goes with --from-version" in shop.run("train", "m", "--register", code=64).err
    shop.rows(ROWS[:-1])
    gone = shop.run("train", "m", "--from-version", "1", code=1).err
    assert "FC520" in gone
    assert "m version 1 can't be made again: spine source s has 39 rows, it had 40" in gone
    shop.rows([*ROWS[:-1], ROWS[0]])
    assert "with other values or in another order" in shop.run("train", "m", "--from-version", "1", code=1).err
    shop.rows([*ROWS[1:], *ROWS[:2]])
    assert "spine source s has 41 rows, it had 40" in shop.run("train", "m", "--from-version", "1", code=1).err
    shop.rows(ROWS)
    for log in (shop.root / "off").rglob("_delta_log/*.json"):
        log.unlink()
    assert "m version 1 can't be made again" in shop.run("train", "m", "--from-version", "1", code=1).err


def test_other_metrics_are_named_and_end_with_1(shop):
    shop.make()
    shop.run("train", "m")
    engine = create_engine(f"sqlite:///{shop.root / 'r.db'}")
    with engine.begin() as connection:
        document = json.loads(connection.execute(text("select document from model_versions")).scalar_one())
        document["metrics"]["auc"] = 0.123
        document["artifact_sha256"] = "0" * 64
        document["libraries"]["lightgbm"] = "0.1"
        connection.execute(text("update model_versions set document = :d"), {"d": json.dumps(document)})
    engine.dispose()
    said = shop.run("train", "m", "--from-version", "1", code=1).out
    assert said.startswith("m version 1 once more: other metrics, other bytes\n  auc ")
    assert ", was 0.123\n" in said
    assert re.search(r"libraries: lightgbm is [0-9.]+, was 0\.1\n", said)


def test_a_card_is_written_beside_the_artifact_with_its_charts_and_shown(shop):
    shop.make()
    shop.run("train", "m")
    shown = shop.json("models", "show", "m")
    card = shop.run("models", "show", "m", "--card").out
    path = shop.root / "off" / shown["card"]
    assert path.read_text() == card
    assert path.parent == (shop.root / "off" / shown["artifact"]).parent
    files = re.findall(r"!\[\w+\]\(([0-9a-f]{64}\.svg)\)", card)
    assert len(files) == 3
    assert all((path.parent / file).read_text().startswith("<svg ") for file in files)
    assert card.startswith("# m\n\nIs the order big?\n")
    assert shop.json("models", "show", "m", "--card")["card"] == card
    assert sum(shown["importance"].values()) == pytest.approx(1, abs=1e-5)
    assert "importance" in shop.run("models", "show", "m").out
    path.write_text("other")
    assert "is not the file that was registered" in shop.run("models", "show", "m", "--card", code=1).err


@pytest.mark.long
def test_tables_of_a_version_are_there_after_a_vacuum(shop, monkeypatch):
    monkeypatch.setattr("featurectl.offline.delta.DeltaStore", partial(DeltaStore, vacuum_hours=0))
    shop.make()
    shop.run("materialize", "--full")
    shop.run("train", "m")
    for _ in range(3):
        shop.run("materialize", "--full")
    with open_workspace(Path.cwd(), "dev", None, "unread") as workspace:
        (kept,) = workspace.state().model_version("m", 1).table_versions.values()
        table = workspace.offline().table("v", 1, {"k": "string"})
        assert sum(block.height for block in table.blocks(kept, 100)) == 40
        with pytest.raises(StoreError):
            list(table.blocks(kept + 2, 100))  # of a run in between, which nobody needs
    assert "the same metrics, the same bytes" in shop.run("train", "m", "--from-version", "1").out


@pytest.mark.long
def test_a_version_without_a_card_or_manifest_is_told_so(shop):
    shop.make()
    with open_workspace(Path.cwd(), "dev", None, "unread") as workspace:
        shop.run("train", "m")
        trained = workspace.state().model_version("m", 1)
        old = replace(trained, card="", card_sha256="", manifest={})
        workspace.registry().write_model_version(workspace.project, old, [])
    assert "model m version 2 has no card" in shop.run("models", "show", "m@2", "--card", code=64).err
    assert "the registry has no manifest" in shop.run("train", "m", "--from-version", "2", code=1).err
