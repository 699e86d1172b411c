"""A version of one environment becomes one of another: its files, its views by what they mean, gates measured there."""

from __future__ import annotations

import json
import shutil

import pytest

from featurectl.models.pickle_policy import PicklePolicy
from featurectl.models.served_model import check_golden, load_served
from featurectl.workspace.open import open_workspace
from tests.cli.test_clean import change
from tests.model_shop import Shop, objects, open_shop, write_files

PLACES = """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2026-01-20T00:00:00Z}
  prod: {registry: "sqlite:///p/r.db", offline: p/off, online: "sqlite:///p/on.db", now: 2026-01-20T00:00:00Z}
  twin: {registry: "sqlite:///r.db", offline: t/off, online: "sqlite:///t/on.db", now: 2026-01-20T00:00:00Z}
  near: {registry: "sqlite:///n/r.db", offline: off, online: "sqlite:///n/on.db", now: 2026-01-20T00:00:00Z}
"""
TO_PROD = ("models", "promote", "m@1", "--to", "prod")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository whose model was trained in dev, and whose views are there in prod under other numbers."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        write_files(root, objects())
        (root / "featurectl.yaml").write_text(PLACES)
        shop = Shop(root, _Mute())
        change(root, "amount / 2", "amount / 4")
        ready(shop, "prod")
        change(root, "amount / 4", "amount / 2")
        shop.run("apply", "--auto-approve", "--env", "prod", "--allow-breaking", "v")
        shop.run("materialize", "--env", "prod")
        ready(shop, "dev")
        shop.run("train", "m", "--again")
    return root


class _Mute:
    def readouterr(self):
        """Return nothing."""


@pytest.fixture
def shop(made, tmp_path, monkeypatch, capsys):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        yield opened


def ready(shop, env):
    shop.run("apply", "--auto-approve", "--env", env)
    shop.run("materialize", "--env", env)


def result(shop, *words, code=0):
    return json.loads(shop.run(*words, "-o", "json", code=code).out)["result"]


def state_of(shop, env="prod"):
    with open_workspace(shop.root, env, None, "unread") as workspace:
        return workspace.state()


def history(shop, env="prod"):
    return [f"{e['command']}: {e['summary']}" for e in result(shop, "history", "--env", env)["entries"]]


def train_another(shop, code=0):
    """Train a version in prod that is another than that of dev."""
    change(shop.root, "n_estimators: 5", "n_estimators: 4")
    shop.run("apply", "--auto-approve", "--env", "prod")
    shop.run("train", "m", "--again", "--env", "prod", code=code)
    change(shop.root, "n_estimators: 4", "n_estimators: 5")
    shop.run("apply", "--auto-approve", "--env", "prod")


def gate_model(shop, gates, env="prod"):
    text = (shop.root / "o.yaml").read_text().partition("    gates:")[0].rstrip("\n")
    (shop.root / "o.yaml").write_text(f"{text}\n    gates: {gates}\n")
    shop.run("apply", "--auto-approve", "--env", env)


@pytest.mark.long
def test_a_version_is_served_elsewhere_with_all_its_files(shop):
    done = result(shop, *TO_PROD)
    assert (done["version"], done["promoted"], done["arrival"]) == (1, True, "new")
    state = state_of(shop)
    (copied,), (origin,) = state.model_versions, state_of(shop, "dev").model_versions
    assert (origin.view_versions, copied.view_versions) == ({"v": 1}, {"v": 2})
    assert {item.view_version for item in copied.inputs if item.view} == {2}
    assert copied.origin["environment"] == "dev"
    assert [item.fingerprint for item in copied.inputs] == [item.fingerprint for item in origin.inputs]
    assert history(shop)[0] == "models promote: m v1 of dev v1, champion -> v1"
    kinds = {path.suffix for path in (shop.root / "p/off/models/m").iterdir()}
    assert {path.suffix for path in (shop.root / "off/models/m").iterdir()} == kinds
    shutil.rmtree(shop.root / "off")
    assert check_golden(load_served(copied, str(shop.root / "p/off"), PicklePolicy()), str(shop.root / "p/off")) == 30
    assert shop.run("score", "m", "--env", "prod", "--out", "scores.csv")
    assert copied.card
    assert shop.run("models", "show", "m", "--card", "--env", "prod").out
    assert "version 1 of environment dev" in shop.run("models", "show", "m", "--env", "prod").out
    assert "--env dev" in shop.run("train", "m", "--from-version", "1", "--env", "prod", code=64).err


def test_a_second_time_it_is_there_already(shop):
    shop.run(*TO_PROD)
    before = history(shop)
    told = shop.run(*TO_PROD).out
    assert "m version 1 of dev is in prod already, as version 1; its " in told
    assert "m version 1 is the champion already." in told
    assert (history(shop), len(state_of(shop).model_versions)) == (before, 1)


def test_it_gets_the_next_number_and_the_champion_there_is_the_one_before(shop):
    train_another(shop)
    train_another(shop)
    told = shop.run(*TO_PROD).out
    assert "m version 1 of dev is m version 3 in prod; its " in told
    assert (
        "m version 3 is the champion, in place of version 1; featurectl models rollback m --env prod undoes it." in told
    )
    assert "Nothing else judged it: model m has no gates of its own.\naccuracy " in told
    assert state_of(shop).aliases == {("m", "champion"): 3, ("m", "previous"): 1}
    assert "in place of version 3" in shop.run("models", "rollback", "m", "--env", "prod").out


@pytest.mark.long
def test_gates_are_measured_there_and_a_failed_one_keeps_it_rejected(shop):
    gate_model(shop, "{min_accuracy: 1, max_brier: 0.01, min_accuracy_gain_over_champion: -1}")
    train_another(shop, code=1)
    done = result(shop, *TO_PROD, code=1)
    assert (done["promoted"], done["status"], done["version"]) == (False, "rejected", 2)
    assert state_of(shop).aliases == {}
    assert history(shop)[0] == "models promote: m v2 of dev v1 (rejected)"
    assert "fails a gate and is not promoted; there is no champion" in shop.run(*TO_PROD, code=1).out
    assert len(state_of(shop).model_versions) == 2
    gate_model(shop, "{max_latency_p99_ms: 10000}")
    told = shop.run(*TO_PROD).out
    assert "is in prod already, as version 2" in told
    assert "max_latency_p99_ms  pass" in told
    assert "judged it" not in told
    assert state_of(shop).aliases == {("m", "champion"): 2}


@pytest.mark.long
def test_the_gain_is_over_the_champion_there(shop):
    train_another(shop)
    gate_model(shop, "{min_accuracy_gain_over_champion: 0.5}")
    told = shop.run(*TO_PROD, code=1).out
    assert "champion v1 " in told
    assert "the champion is version 1 still" in told


@pytest.mark.long
def test_views_without_tables_are_filled_by_one_command(shop):
    second = "  - {name: w, entity: key, source: s, features: [{name: other, expr: amount}]}\nmodels:"
    change(shop.root, "models:", second)
    change(shop.root, '{feature: "v:half"}', '{feature: "v:half"}, {feature: "w:other"}')
    ready(shop, "dev")
    shop.run("train", "m", "--again")
    shutil.rmtree(shop.root / "p")
    shop.run("apply", "--auto-approve", "--env", "prod")
    said = shop.run("models", "promote", "m@2", "--to", "prod", code=1).err
    assert "  = featurectl materialize v w --env prod\n" in said


def test_views_that_are_not_ready_are_named_with_what_mends_them(shop):
    shutil.rmtree(shop.root / "p")
    assert "nothing is applied of project shop in prod" in shop.run(*TO_PROD, code=1).err
    shop.run("apply", "--auto-approve", "--env", "prod")
    said = shop.run(*TO_PROD, code=1).err
    assert "environment prod is not ready for m version 1: v has no table there" in said
    assert "featurectl materialize v --env prod" in said
    change(shop.root, "amount / 2", "amount / 4")
    shop.run("apply", "--auto-approve", "--env", "prod")
    shop.run("materialize", "--env", "prod")
    shutil.rmtree(shop.root / "p")
    ready(shop, "prod")
    said = shop.run(*TO_PROD, code=1).err
    assert "no version of v there has half as it was trained on" in said
    assert "featurectl apply --env prod" in said
    assert (state_of(shop).model_versions, (shop.root / "p/off/models").exists()) == ((), False)


def test_where_a_registry_is_shared_the_files_of_the_version_come(shop):
    told = shop.run("models", "promote", "m@1", "--to", "twin").out
    assert "dev and twin have one registry, and m version 1 is in it already; its " in told
    assert len(state_of(shop, "twin").model_versions) == 1
    assert (shop.root / "t/off" / shop.version(1)[0].artifact).exists()


def test_where_the_place_is_shared_nothing_is_copied_twice(shop):
    ready(shop, "near")
    before = sorted((shop.root / "off/models/m").iterdir())
    assert result(shop, "models", "promote", "m", "--to", "near")["promoted"]
    assert sorted((shop.root / "off/models/m").iterdir()) == before
    assert state_of(shop, "near").aliases == {("m", "champion"): 1}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("m@1", "--to", "dev"), 64, "--to dev: it is there"),
        (("m@1", "--to", "nowhere"), 64, "no environment 'nowhere'"),
        (("m@7", "--to", "prod"), 64, "model m has no version '7'"),
        (("m@challenger", "--to", "prod"), 64, "model m has no version 'challenger'"),
    ],
)
def test_a_name_that_nothing_has_registers_nothing(shop, words, code, said):
    assert said in shop.run("models", "promote", *words, code=code).err
    assert state_of(shop).model_versions == ()


def test_a_file_that_is_gone_registers_nothing(shop):
    (shop.root / "off" / shop.version(1)[0].golden).unlink()
    assert "error[FC512]" in shop.run(*TO_PROD, code=1).err
    assert state_of(shop).model_versions == ()


@pytest.mark.long
def test_an_import_goes_on_without_evidence_and_is_no_champion_by_itself(shop):
    shop.run("models", "export", "m@1", "--out", "exported")
    told = shop.run("models", "import", "m", "--file", "exported/model.txt", "--env", "prod").out
    assert "There is no evidence for it: nobody here has seen the rows that it was trained on." in told
    assert told.endswith("There is no champion; featurectl models promote m@1 changes that.\n")
    assert state_of(shop).aliases == {}
