"""`run:` of a trainer: what the command is given, what it may leave, and what is said when it fails."""

import json
import re
import shlex
import sys
import textwrap
from dataclasses import replace

import joblib
import numpy as np
import polars as pl
import pytest

from featurectl.core.errors import DataError, UsageError
from featurectl.language.definitions.model import Trainer
from featurectl.models.fit import fit_model
from featurectl.models.trainer_command import CommandEnvironment
from featurectl.registry.state import BoundFeature
from tests.models.damaged import with_sizes
from tests.models.test_fit import INPUTS, LIGHTGBM, examples

PLACES = """
import json, os, pathlib, sys
out = pathlib.Path(os.environ["FEATURECTL_OUT"])
"""
ROWS = """
import numpy as np, polars as pl
rows = pl.read_parquet(os.environ["FEATURECTL_TRAINING_SET"])
manifest = json.loads(pathlib.Path(os.environ["FEATURECTL_MANIFEST"]).read_text())
"""
TRAIN = f"""{ROWS}
import lightgbm
X, y = rows.select("x").to_numpy().astype("float32"), rows["y"].cast(pl.Int64).to_numpy()
seed = int(os.environ["FEATURECTL_SEED"])
model = lightgbm.LGBMClassifier(random_state=seed, **manifest["params"]).fit(X, y, feature_name=["x"])
(out / "model.txt").write_text(model.booster_.model_to_string())
"""


def xgboost_file(x, y, path):
    import xgboost

    xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(x, y).get_booster().save_model(path)


def catboost_file(x, y, path):
    import catboost

    model = catboost.CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False, thread_count=1)
    model.fit(x, y).save_model(str(path))


def lightgbm_file(x, y, path):
    import lightgbm

    lightgbm.LGBMClassifier(**LIGHTGBM.params).fit(x, y).booster_.save_model(path)


def logistic(x, y):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(x, y)


def skops_file(x, y, path):
    from skops import io

    io.dump(logistic(x, y), path)


def onnx_file(x, y, path):
    from featurectl.models.conversion.sklearn import convert_sklearn

    path.write_bytes(convert_sklearn(logistic(x, y), 1))


FILES = {
    "txt": lightgbm_file,
    "json": xgboost_file,
    "ubj": xgboost_file,
    "cbm": catboost_file,
    "skops": skops_file,
    "pkl": lambda x, y, path: joblib.dump(logistic(x, y), path),
    "onnx": onnx_file,
}


class Bench:
    """A folder with a train.py, and what it said."""

    def __init__(self, folder):
        self.folder, self.lines = folder, []

    def train(self, script, *, allow_pickle=False, flag=False, data=None, inputs=INPUTS, run=None):  # noqa: PLR0913  # most have a default
        (self.folder / "train.py").write_text(PLACES + textwrap.dedent(script))
        trainer = Trainer(run=run or shlex.join([sys.executable, "train.py"]), params=LIGHTGBM.params, seed=7)
        commands = CommandEnvironment(
            folder=self.folder, report=self.lines.append, manifest={"rows": 400}, allow_pickle=flag
        )
        data = data or examples()
        return fit_model(data, inputs, trainer, allow_pickle=allow_pickle, model="m", commands=commands)

    def fails(self, script, **more):
        with pytest.raises(DataError) as caught:
            self.train(script, **more)
        return caught.value


def matrix():
    """Return the inputs and the label of the rows that a command is given."""
    data = examples()
    return data.rows[:300].to_numpy().astype("float32"), data.label[:300].cast(pl.Int64).to_numpy()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.mark.parametrize("kind", FILES)
def test_each_format_that_a_command_leaves_is_judged_and_kept(bench, kind):
    x, y = matrix()
    FILES[kind](x, y, bench.folder / f"model.{kind}")
    leave = shlex.join(["sh", "-c", f'cp model.{kind} "$FEATURECTL_OUT"'])
    fitted = bench.train("", allow_pickle=kind == "pkl", flag=kind == "pkl", run=leave)
    assert fitted.format == {"json": "ubj"}.get(kind, kind)
    assert fitted.metrics["auc"] > 0.8
    assert (fitted.rows_train, fitted.rows_validation) == (300, 100)
    assert fitted.importance == {"x": 1.0}
    assert fitted.onnx.content, fitted.onnx.missing
    assert len(fitted.golden) > 1_000


@pytest.mark.long
def test_a_command_that_does_what_the_estimator_does_leaves_the_same_bytes(bench):
    direct = fit_model(examples(), INPUTS, LIGHTGBM, allow_pickle=False, model="m")
    commanded = bench.train(TRAIN)
    assert commanded.content == direct.content
    assert commanded.metrics == direct.metrics
    assert commanded.golden == direct.golden


@pytest.mark.long
def test_the_rows_that_judge_it_are_not_in_the_training_set_of_a_command(bench):
    told = ROWS + (
        "pathlib.Path('told.json').write_text(json.dumps({'m': manifest, 'rows': rows.height, 'columns': rows.columns, "
        "'last': str(rows['t'].max()), 'model': os.environ['FEATURECTL_MODEL']}))"
    )
    data = examples()
    data = replace(data, rows=data.rows.with_columns(c=pl.Series(["b", "a"] * 200)))
    inputs = [*INPUTS, BoundFeature(name="c", dtype="string", model_dtype="category")]
    bench.fails(told, data=data, inputs=inputs)
    found = json.loads((bench.folder / "told.json").read_text())
    assert (found["rows"], found["columns"], found["model"]) == (300, ["x", "c", "y", "t"], "m")
    assert found["last"] == "2024-10-26 00:00:00+00:00"  # day 299 of 0 to 399
    assert found["m"] == {
        "model": "m",
        "inputs": [{"name": "x", "type": "float64"}, {"name": "c", "type": "category", "categories": ["a", "b"]}],
        "label": "y",
        "time": "t",
        "rows": 300,
        "params": LIGHTGBM.params,
        "seed": 7,
        "training_set": {"rows": 400},
    }


def test_a_command_that_fails_is_told_with_its_last_lines(bench):
    error = bench.fails("for i in range(9): print('line', i)\nprint('oh', file=sys.stderr)\nsys.exit(3)")
    assert error.code == "FC513"
    assert error.message.endswith("train.py` ended with 3")
    assert error.hint.startswith("it said: ")
    assert {"line 8", "oh"} <= {line.strip().removeprefix("it said: ") for line in error.hint.splitlines()}
    assert "line 0" not in error.hint
    assert "line 0\n" in bench.lines
    assert "ended by signal 9" in bench.fails("os.kill(os.getpid(), 9)").message
    assert "can't be started: No such file or directory" in bench.fails("", run="no-such-command-here").message
    assert "can't be started: No closing quotation" in bench.fails("", run="python 'train.py").message


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("pass", "left no model in FEATURECTL_OUT"),
        ("(out / 'model.bin').write_text('x')", "left no model in FEATURECTL_OUT (a file: model.bin)"),
        ("[(out / n).write_text('x') for n in ('model.txt', 'model.cbm')]", "left 2 models: model.cbm, model.txt"),
        ("(out / 'model.txt').write_text('x')", "model.txt of the trainer's command"),
        ("(out / 'model.json').write_text('{')", "model.json of the trainer's command"),
        ("(out / 'model.cbm').write_text('x')", "model.cbm of the trainer's command"),
        ("(out / 'model.onnx').write_text('x')", "model.onnx of the trainer's command"),
        ("(out / 'model.skops').write_text('x')", "model.skops of the trainer's command"),
    ],
)
def test_what_a_command_leaves_is_checked(bench, script, message):
    error = bench.fails(script)
    assert error.code == "FC513"
    assert message in error.message


def test_a_model_of_another_width_that_a_command_leaves_is_refused(bench):
    x, y = matrix()
    lightgbm_file(np.hstack([x, x]), y, bench.folder / "model.txt")
    error = bench.fails("import shutil\nshutil.copy('model.txt', out)")
    assert error.code == "FC513"
    assert "can't be used: " in error.message


def test_a_model_of_a_command_that_kills_its_library_does_not_end_train(bench):
    x, y = matrix()
    lightgbm_file(x, y, bench.folder / "model.txt")
    far = re.sub(rb"split_feature=\d+", b"split_feature=2147483647", (bench.folder / "model.txt").read_bytes())
    (bench.folder / "model.txt").write_bytes(with_sizes(far))
    error = bench.fails("import shutil\nshutil.copy('model.txt', out)")
    assert error.code == "FC530"
    assert error.message.endswith("ends the process that reads it (SIGSEGV)")
    assert error.message.startswith("model.txt of the trainer's command `")


def test_a_pickle_of_a_command_needs_both_leaves_before_it_is_loaded(bench):
    trap = """
    import pickle
    class Trap:
        def __reduce__(self):
            return (os.mkdir, ("sprung",))
    (out / "model.pkl").write_bytes(pickle.dumps(Trap()))
    """
    assert bench.fails(trap).code == "FC514"
    assert bench.fails(trap, flag=True).code == "FC514"
    with pytest.raises(UsageError, match="a pickle, which runs code"):
        bench.train(trap, allow_pickle=True)
    assert sorted(path.name for path in bench.folder.iterdir()) == ["train.py"]


def test_python_is_featurectls_own_unless_a_virtual_environment_is_active(bench, monkeypatch):
    told = "pathlib.Path('told').write_text(sys.prefix)"
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    bench.fails(told, run="python train.py")
    assert (bench.folder / "told").read_text() == sys.prefix
    own = bench.folder / "bin"
    own.mkdir()
    (own / "python").write_text("#!/bin/sh\necho own >&2\nexit 9\n")
    (own / "python").chmod(0o755)
    monkeypatch.setenv("VIRTUAL_ENV", str(bench.folder))
    monkeypatch.setenv("PATH", str(own), prepend=":")
    error = bench.fails(told, run="python train.py")
    assert (error.message, error.hint) == ("the trainer's command `python train.py` ended with 9", "it said: own")
