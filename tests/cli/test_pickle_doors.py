"""No door loads a pickle unless the model and the command both say so.

The doors: train, import, score, serve, export, a registry whose row was changed, a file that was swapped.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import sqlite3
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import joblib
import numpy as np
import pytest
from starlette.testclient import TestClient

from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from featurectl.models.all_model_formats import FORMATS_BY_SUFFIX
from featurectl.models.isolation.content import read_content
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.cli.test_model_files import MEAN, PYTHON
from tests.model_shop import Shop, objects, open_shop, write_files


class Bomb:
    """Something whose pickle runs code."""

    def __reduce__(self):
        return (exec, ("import sys; sys.exploded = True",))


def bomb() -> bytes:
    buffer = io.BytesIO()
    joblib.dump(Bomb(), buffer)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def nothing_exploded():
    yield
    assert not hasattr(sys, "exploded")


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """Folders of a shop with a LightGBM, of one whose LightGBM could be a pickle, and of one that is a pickle."""
    made = {}
    with pytest.MonkeyPatch.context() as patched:
        for name, text in {"plain": objects(), "allowed": objects(allow="true"), "pickle": MEAN}.items():
            made[name] = tmp_path_factory.mktemp(name)
            (made[name] / "shop_rules.py").write_text(PYTHON)
            with open_shop(made[name], patched, None) as shop:
                write_files(shop.root, text)
                for words in (["apply", "--auto-approve"], ["materialize"], ["train", "m", "--again"]):
                    assert main([*words, "-q"]) == 0
            sys.modules.pop("shop_rules", None)
    return made


@pytest.fixture
def open_(applied, tmp_path, monkeypatch, capsys):
    """Return a copy of one of these shops."""
    with ExitStack() as stack:

        def copy(name) -> Shop:
            shutil.copytree(applied[name], tmp_path, dirs_exist_ok=True)
            return stack.enter_context(open_shop(tmp_path, monkeypatch, capsys))

        yield copy
    sys.modules.pop("shop_rules", None)


@pytest.fixture
def trained(open_):
    """A shop with a LightGBM, and a planted pickle among the artifacts."""
    shop = open_("plain")
    (shop.root / "off" / "models" / "m" / "evil.pkl").write_bytes(bomb())
    return shop


def planted(name: str = "models/m/evil.pkl") -> dict[str, object]:
    return {"artifact": name, "artifact_sha256": hashlib.sha256(bomb()).hexdigest(), "artifact_bytes": len(bomb())}


def tamper(shop, number=1, **fields):
    """Change the row of the model version in the registry; `says_so`: and that of the model, so that they agree."""
    with closing(sqlite3.connect(shop.root / "r.db")) as database, database:
        (text,) = database.execute("select document from model_versions where version = ?", (number,)).fetchone()
        document = json.loads(text)
        if fields.pop("says_so", False):
            document["definition"]["allow_pickle"] = True
            (model,) = database.execute("select definition from objects where kind = 'model'").fetchone()
            model = json.dumps({**json.loads(model), "allow_pickle": True})
            database.execute("update objects set definition = ? where kind = 'model'", (model,))
        text = json.dumps({**document, **fields})
        database.execute("update model_versions set document = ? where version = ?", (text, number))


def served(shop, *, allow_pickle):
    """Return the statuses of readiness and of a prediction."""
    settings = ServeSettings(root=str(shop.root), allow_pickle=allow_pickle)
    with TestClient(open_app(settings), raise_server_exceptions=False) as client:
        asked = client.post("/v1/predict/m", json={"rows": [{"k": "k1"}]})
        return client.get("/ready").status_code, asked.status_code


FLAGS = pytest.mark.parametrize("flag", [False, True])


@pytest.mark.long
@FLAGS
@pytest.mark.parametrize("says_so", [False, True])
@pytest.mark.sample(1)
def test_a_row_of_the_registry_that_points_at_a_pickle_loads_none(trained, says_so, flag):
    """The rows can say what they like: the model in the files has to say it, too."""
    words = ["--allow-pickle"] if flag else []
    for kind in ("pkl", "py", "txt", "skops", "ubj", "cbm", "onnx", "joblib", ""):
        tamper(trained, artifact_format=kind, says_so=says_so, onnx="", onnx_sha256="", **planted())
        assert main(["score", "m", "--out", "x.csv", "-q", *words]) in {1, 64}
        assert not (trained.root / "x.csv").exists()
        ready, asked = served(trained, allow_pickle=flag)
        assert ready == 503
        assert asked in {500, 503}


@FLAGS
@pytest.mark.parametrize("says_so", [False, True])
@pytest.mark.sample(1)
def test_a_pickle_that_the_registry_calls_champion_is_not_compared_with(trained, says_so, flag):
    words = ["--allow-pickle"] if flag else []
    files = trained.root / "o.yaml"
    files.write_text(f"{files.read_text()}    gates: {{min_accuracy_gain_over_champion: -1}}\n")
    trained.run("apply", "--auto-approve")
    trained.run("train", "m", "--again")
    tamper(trained, 1, artifact_format="pkl", says_so=says_so, **planted())
    trained.run("models", "promote", "m@2", *words, code=1)
    said = trained.run("train", "m", "--again", *words, code=1).out
    assert "not measured: champion v1: " in said
    assert "which runs code when it is loaded" in said


@FLAGS
def test_a_pickle_that_the_registry_calls_the_challenger_is_not_promoted(trained, flag):
    words = ["--allow-pickle"] if flag else []
    trained.run("train", "m", "--again")
    files = trained.root / "o.yaml"
    files.write_text(f"{files.read_text()}    gates: {{max_latency_p99_ms: 1000}}\n")
    trained.run("apply", "--auto-approve")
    tamper(trained, 2, artifact_format="pkl", says_so=True, onnx="", onnx_sha256="", **planted())
    said = trained.run("models", "promote", "m@2", *words, code=1).err
    assert "error[FC514]: model m version 2 is a pickle, which runs code when it is loaded" in said
    assert "and the model in the files does not allow that" in said


@FLAGS
def test_a_registry_that_allows_pickles_imports_none(trained, flag):
    tamper(trained, says_so=True)
    (trained.root / "m.pkl").write_bytes(bomb())
    said = trained.run("models", "import", "m", "--file", "m.pkl", *(["--allow-pickle"] if flag else []), code=1).err
    assert "error[FC514]" in said


@FLAGS
@pytest.mark.parametrize("part", ["onnx", "golden"])
def test_a_pickle_as_the_other_files_of_a_version_is_not_loaded(trained, part, flag):
    made = planted()
    tamper(trained, **{part: made["artifact"], f"{part}_sha256": made["artifact_sha256"]})
    assert served(trained, allow_pickle=flag)[0] == 503


@FLAGS
@pytest.mark.parametrize("name", ["/tmp/evil.pkl", "../evil.pkl", "models/../../evil.pkl"])  # noqa: S108  # never written
def test_a_path_outside_of_the_artifacts_is_not_read(trained, name, flag):
    (trained.root / "evil.pkl").write_bytes(bomb())
    tamper(trained, onnx="", **planted(name))
    said = trained.run("score", "m", "--out", "x.csv", *(["--allow-pickle"] if flag else []), code=1).err
    assert "lies outside of `models`" in said


def test_another_digest_is_told(trained):
    tamper(trained, artifact_sha256="0" * 64)
    assert "is not the file that was registered" in trained.run("score", "m", "--out", "x.csv", code=1).err


@FLAGS
def test_a_swapped_file_is_not_parsed(trained, flag):
    shown = trained.shown()
    for part in ("artifact", "onnx", "golden"):
        (trained.root / "off" / shown[part]).write_bytes(bomb())
    said = trained.run("score", "m", "--out", "x.csv", *(["--allow-pickle"] if flag else []), code=1).err
    assert "is not the file that was registered" in said
    assert served(trained, allow_pickle=flag)[0] == 503


@pytest.mark.sample(3)
@pytest.mark.parametrize("estimator", ["joblib.load", "pickle.loads", "skops.io.load", "builtins.exec"])
@pytest.mark.parametrize("allow", ["false", "true"])
def test_a_trainer_whose_estimator_is_a_loader_is_refused_before_its_call(open_, estimator, allow):
    shop = open_("plain")
    (shop.root / "evil.pkl").write_bytes(bomb())
    key = {"joblib.load": "filename", "skops.io.load": "file"}.get(estimator, "source")
    (shop.root / "o.yaml").write_text(objects(estimator, f"{{{key}: evil.pkl}}", allow))
    shop.run("apply", "--auto-approve")
    assert f"estimator {estimator} has no fit and predict" in shop.run("train", "m", "--again", code=1).err


def test_training_loads_no_pickle_not_even_its_own(open_):
    shop = open_("pickle")
    shop.run("train", "m", "--again")
    assert sys.modules["shop_rules"].LOADED == []


@FLAGS
def test_a_pickle_of_a_model_that_allowed_it_once_is_not_loaded_any_more(open_, flag):
    shop = open_("pickle")
    (shop.root / "o.yaml").write_text((shop.root / "o.yaml").read_text().replace("allow_pickle: true", ""))
    shop.run("apply", "--auto-approve")
    said = shop.run("score", "m", "--out", "x.csv", *(["--allow-pickle"] if flag else []), code=1).err
    assert "the model that is applied does not allow that" in said
    assert served(shop, allow_pickle=flag)[0] == 503
    assert "shop_rules" not in sys.modules


@pytest.mark.parametrize(("allow", "flag"), [("false", False), ("false", True), ("true", False)])
@pytest.mark.parametrize("name", ["m.pkl", "m.pickle", "m.joblib"])
def test_a_pickle_is_not_imported(open_, name, allow, flag):
    shop = open_("allowed" if allow == "true" else "plain")
    (shop.root / name).write_bytes(bomb())
    said = shop.run(
        "models",
        "import",
        "m",
        "--file",
        name,
        *(["--allow-pickle"] if flag else []),
        code=64 if allow == "true" else 1,
    ).err
    assert "this model is a pickle, which runs code when it is loaded" in said


@pytest.mark.parametrize("name", ["m.txt", "m.skops", "m.ubj", "m.json", "m.cbm", "m.onnx"])
def test_a_pickle_by_the_name_of_a_data_format_is_not_loaded(name):
    """Here, where it would be seen; `models import` does the same in a process of its own."""
    for content in (bomb(), pickle.dumps(Bomb())):
        with pytest.raises(UsageError, match="can't be read as"):
            read_content(Path(name), FORMATS_BY_SUFFIX[Path(name).suffix], content, 3, allow_code=True)


def test_a_pickle_by_the_name_of_a_data_format_is_not_imported(open_):
    shop = open_("allowed")
    (shop.root / "m.txt").write_bytes(bomb())
    said = shop.run("models", "import", "m", "--file", "m.txt", "--allow-pickle", code=64).err
    assert "can't be read as" in said


def test_a_pickle_is_exported_without_being_loaded(open_):
    shop = open_("pickle")
    shop.run("models", "export", "m", "--out", "folder")
    assert "shop_rules" not in sys.modules
    said = shop.run("models", "import", "m", "--file", "folder/model.pkl", code=64).err
    assert "which runs code when it is loaded" in said
    shop.run("models", "import", "m", "--file", "folder/model.pkl", "--allow-pickle", "--sample", "s")
    assert "shop_rules" not in sys.modules  # it was loaded in a process of its own


def test_kept_scores_that_are_a_pickle_are_not_loaded(trained, monkeypatch):
    from featurectl.operations.scoring.checkpoint import ScoreCheckpoint

    whole = ScoreCheckpoint.done

    def done(self):
        path = self._folder / "000000000000000-40.npy"
        with path.open("wb") as file:
            np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
        return whole(self)

    monkeypatch.setattr(ScoreCheckpoint, "done", done)
    assert "holds no scores" in trained.run("score", "m", "--out", "x.csv", code=64).err


def test_the_shop_of_these_tests_scores_and_serves_when_nobody_meddles(trained):
    trained.run("score", "m", "--out", "x.csv")
    assert served(trained, allow_pickle=False) == (200, 200)
