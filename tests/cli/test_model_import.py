"""`models import` and `models export`: every format, bound to features, proven, and refused where it does not fit."""

from __future__ import annotations

import json
import pickle
import sys
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from featurectl.core.errors import UsageError
from featurectl.models.all_model_formats import FORMATS_BY_SUFFIX
from featurectl.models.isolation.content import read_content
from featurectl.models.matrix import MatrixForm
from tests.cli.foreign import ALLOWED, MAKERS, MODEL, PLAIN, forest, make_imported, put_file
from tests.model_shop import objects, open_shop


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    with open_shop(tmp_path, monkeypatch, capsys) as shop:
        yield shop


def read_as_named(path, width):
    """Read a file as the process does that `models import` starts."""
    return read_content(path, FORMATS_BY_SUFFIX[path.suffix], path.read_bytes(), width, allow_code=False)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.sample(1)
def test_a_model_of_another_place_is_registered_scored_and_served(shop, name):
    expected = make_imported(shop, name)
    result = json.loads((shop.root / "imported.json").read_text())["result"]
    assert (result["version"], result["aliases"]) == (1, [])
    version, _ = shop.version()
    assert version.rows_validation == 40
    assert "auc" in version.metrics or name == "columns.onnx"
    shop.run("score", "m", "--out", "scores.parquet")
    np.testing.assert_allclose(pl.read_parquet("scores.parquet")["score"], expected, atol=1e-6)
    assert shop.served()[1] == 40
    assert f"imported from {name}" in shop.run("models", "show", "m").out


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["model.txt", "model.json", "model.cbm", "model.skops", "maps.onnx"])
@pytest.mark.sample(1)
def test_what_is_exported_can_be_imported_again(shop, name):
    make_imported(shop, name)
    files = json.loads(shop.run("models", "export", "m@1", "--out", "folder", "-o", "json").out)["result"]["files"]
    assert sorted(path.name for path in (shop.root / "folder").iterdir()) == sorted(files)
    assert {"golden.json", "inputs.json", "README.md"} < set(files)
    told = json.loads((shop.root / "folder" / "inputs.json").read_text())
    assert [item["name"] for item in told["inputs"]] == ["q", "half", "c"]
    assert told["inputs"][2]["categories"] == ["a", "b"]
    models = [file for file in files if file.startswith("model.")]
    for file in models:
        shop.run("models", "import", "m", "--file", f"folder/{file}")
    first, again = shop.version(1)[0], shop.version(2)[0]
    assert again.artifact_sha256 == first.artifact_sha256
    assert again.golden_sha256 == first.golden_sha256
    for number in range(2, len(models) + 2):
        assert shop.served(number)[1] == 40


@pytest.mark.long
def test_categories_that_training_found_come_with_the_export(shop):
    shop.make(objects())
    shop.run("train", "m")
    shop.run("models", "export", "m", "--out", "folder")
    assert shop.run("models", "import", "m", "--file", "folder/model.txt").out.startswith("m version 2")
    assert shop.version(2)[0].inputs == shop.version(1)[0].inputs
    (shop.root / "alone").mkdir()
    (shop.root / "folder" / "model.txt").rename("alone/model.txt")
    said = shop.run("models", "import", "m", "--file", "alone/model.txt", code=64).err
    assert "input c is a category, and nobody knows the codes that it was trained on" in said


@pytest.mark.long
def test_an_imported_version_is_not_trained_once_more(shop):
    make_imported(shop)
    for more in ((), ("--register",)):
        said = shop.run("train", "m", "--from-version", "1", *more, code=64).err
        assert "m version 1 was imported from model.txt, not trained here" in said
    with pytest.raises(AssertionError):
        shop.version(2)


def test_an_export_takes_no_folder_that_is_there(shop):
    make_imported(shop)
    (shop.root / "mine").mkdir()
    (shop.root / "mine" / "x").write_text("mine")
    assert "mine is there already" in shop.run("models", "export", "m", "--out", "mine", code=64).err
    assert [path.name for path in (shop.root / "mine").iterdir()] == ["x"]


@pytest.mark.long
def test_a_sample_proves_a_model_instead_of_its_spine(shop):
    shop.make(PLAIN)
    put_file(shop, "model.txt")
    pl.DataFrame({"k": ["k1", "k2"], "at": [datetime(2026, 1, 9, tzinfo=UTC)] * 2}).write_parquet("few.parquet")
    told = shop.run("models", "import", "m", "--file", "model.txt", "--sample", "few.parquet").out
    first, *others = told.splitlines()
    assert first == "m version 1: 3 inputs, imported from model.txt, proven on 2 rows"
    assert others[-1] == "There is no champion; featurectl models promote m@1 changes that."
    assert shop.version()[0].metrics == {}
    assert shop.served()[1] == 2


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("half", "q", "c"), "input 1 is 'half' in model.txt and 'q' in the files"),
        (("q", "half", "kind"), "input 3 is 'kind' in model.txt and 'c' in the files"),
    ],
)
def test_inputs_of_other_names_are_refused(shop, names, told):
    shop.make(PLAIN)
    put_file(shop, "model.txt", names=names)
    assert told in shop.run("models", "import", "m", "--file", "model.txt", code=64).err
    assert shop.run("models", "list").out.startswith("No model is trained yet")


@pytest.mark.long
def test_inputs_without_names_are_taken_in_their_order(shop):
    shop.make(PLAIN)
    put_file(shop, "model.txt", names=None)
    shop.run("models", "import", "m", "--file", "model.txt")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["model.txt", "model.ubj", "model.cbm", "model.skops", "tensor.onnx", "columns.onnx"])
def test_another_number_of_inputs_is_refused(shop, name):
    shop.make(PLAIN)
    put_file(shop, name)
    with pytest.raises(UsageError, match="takes 3 inputs, the model in the files has 2"):
        read_as_named(shop.root / name, width=2)


@pytest.mark.long
def test_a_model_of_another_width_than_that_of_the_files_is_not_imported(shop):
    shop.make(PLAIN)
    put_file(shop, "model.txt")
    shop.make(PLAIN.replace('{feature: "v:half"}, ', ""))
    said = shop.run("models", "import", "m", "--file", "model.txt", code=64).err
    assert "model.txt takes 3 inputs, the model in the files has 2" in said


SOMETHING_ELSE = b"\x80\x04 this is something else"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAKERS)
def test_a_file_of_something_else_can_not_be_read_nor_one_that_is_cut_off(shop, name):
    shop.make(PLAIN)
    put_file(shop, name)
    path = shop.root / name
    whole = path.read_bytes()
    for content in (SOMETHING_ELSE, whole[: len(whole) // 4]):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=f"{name} can't be read as "):
            read_as_named(path, width=3)


def test_a_file_that_can_not_be_read_is_not_imported(shop):
    shop.make(PLAIN)
    (shop.root / "model.ubj").write_bytes(SOMETHING_ELSE)
    assert "model.ubj can't be read as " in shop.run("models", "import", "m", "--file", "model.ubj", code=64).err
    assert shop.run("models", "list").out.startswith("No model is trained yet")


def test_other_mistakes_are_told(shop):
    shop.make(PLAIN)
    run = shop.run
    assert "give --file FILE or --mlflow FOLDER" in run("models", "import", "m", code=64).err
    assert "what format is it?" in run("models", "import", "m", "--file", "m.bin", code=64).err
    assert "no.txt: No such file" in run("models", "import", "m", "--file", "no.txt", code=64).err
    assert "no model 'x' is applied" in run("models", "import", "x", "--file", "no.txt", code=64).err


def mlflow_folder(shop, flavors, files):
    folder = shop.root / "saved"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "MLmodel").write_text(f"artifact_path: model\n{flavors}\nmlflow_version: 3.1.0\nsignature: null\n")


LIGHTGBM = """flavors:
  lightgbm: {data: model.lgb, lgb_version: 4.6.0, model_class: lightgbm.basic.Booster}
  python_function: {data: model.lgb, env: {conda: conda.yaml}, loader_module: mlflow.lightgbm, python_version: 3.11.9}"""  # noqa: E501  # lines of a file or a screen
SKLEARN = """flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl}
  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle, sklearn_version: 1.6.0}"""
PYTHON = """flavors:
  python_function: {loader_module: evil, python_model: python_model.pkl}"""


@pytest.mark.long
def test_the_data_of_an_mlflow_folder_is_taken(shop):
    shop.make(PLAIN)
    put_file(shop, "model.txt")
    mlflow_folder(shop, LIGHTGBM, {"model.lgb": (shop.root / "model.txt").read_bytes()})
    assert "imported from model.lgb" in shop.run("models", "import", "m", "--mlflow", "saved").out
    assert shop.served()[1] == 40


class Bomb:
    """Says when it is loaded."""

    def __reduce__(self):
        return (exec, ("import builtins; builtins.EXPLODED = True",))


@pytest.mark.parametrize("by_flag", [False, True])
@pytest.mark.parametrize("allow", ["false", "true"])
@pytest.mark.sample(2)
def test_a_pickle_of_an_mlflow_folder_needs_both_opt_ins(shop, allow, by_flag):
    shop.make(MODEL.replace("ALLOW", allow))
    model, _ = forest(shop)
    both = by_flag and allow == "true"
    content = pickle.dumps(model) if both else pickle.dumps(Bomb())
    mlflow_folder(shop, SKLEARN, {"model.pkl": content})
    flag = ["--allow-pickle"] if by_flag else []
    code = 0 if both else 64 if allow == "true" else 1
    shop.run("models", "import", "m", "--mlflow", "saved", *flag, code=code)
    assert not hasattr(sys.modules["builtins"], "EXPLODED")
    if both:
        assert shop.served(allow_pickle=True)[1] == 40


@pytest.mark.parametrize("flag", [[], ["--allow-pickle"]])
def test_a_python_function_of_mlflow_is_never_taken(shop, flag):
    shop.make(ALLOWED)
    mlflow_folder(shop, PYTHON, {"python_model.pkl": pickle.dumps(Bomb())})
    said = shop.run("models", "import", "m", "--mlflow", "saved", *flag, code=64).err
    assert "no flavor of this MLflow model can be read (it has python_function)" in said
    assert not hasattr(sys.modules["builtins"], "EXPLODED")


@pytest.mark.parametrize("path", ["../model.txt", "/etc/passwd", "none.lgb"])
def test_a_file_outside_of_an_mlflow_folder_is_not_read(shop, path):
    shop.make(PLAIN)
    put_file(shop, "model.txt")
    mlflow_folder(shop, LIGHTGBM.replace("data: model.lgb", f"data: {path}"), {})
    assert "names no file of the folder" in shop.run("models", "import", "m", "--mlflow", "saved", code=64).err


@pytest.mark.long
@pytest.mark.parametrize("label", [True, False])
@pytest.mark.sample(1)
def test_a_classifier_that_knows_one_class_is_refused(shop, label):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from skops import io

    shop.make(PLAIN)
    matrix = np.random.default_rng(1).normal(size=(50, 3))
    fitted = HistGradientBoostingClassifier(max_iter=2).fit(matrix, np.full(50, label))
    (shop.root / "model.skops").write_bytes(io.dumps(fitted))
    said = shop.run("models", "import", "m", "--file", "model.skops", code=64)
    assert f"model.skops is a classifier of one class, {label}: it was trained on no other" in said.err


@pytest.mark.long
@pytest.mark.parametrize("is_between", [True, False])
def test_a_model_that_was_fitted_on_float64_is_warned_of(shop, is_between):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from skops import io

    shop.make(PLAIN)
    shop.run("training-set", "m", "--out", "t.parquet")
    half = pl.read_parquet("t.parquet")["half"].to_numpy()
    matrix = np.column_stack([np.zeros(len(half)), half, np.zeros(len(half))])
    fitted = HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=2, min_samples_leaf=1).fit(matrix, half > 12.3)
    if is_between:  # a number and its float32
        fitted._predictors[0][0].nodes["num_threshold"][0] = next(v for v in half if v < np.float32(v))  # noqa: SLF001
    (shop.root / "model.skops").write_bytes(io.dumps(fitted))
    imported = shop.run("models", "import", "m", "--file", "model.skops", "-o", "json").out
    warnings = json.loads(imported)["result"]["warnings"]
    told = "1 of 40 scores (2.5%) is another, by up to 0."
    assert [text[: len(told)] for text in warnings] == [told] * is_between


def test_a_matrix_form_of_an_import_is_that_of_the_files(shop):
    make_imported(shop)
    assert MatrixForm(inputs=shop.version()[0].inputs).category_positions() == [2]
