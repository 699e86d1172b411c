"""A registered version is loaded from files that are checked first, and proves itself on its golden rows."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from featurectl.core.errors import DataError, UsageError
from featurectl.models.artifact import write_artifact
from featurectl.models.conversion.convert import convert_model
from featurectl.models.golden_rows import dump_golden
from featurectl.models.pickle_policy import PicklePolicy
from featurectl.models.served_model import check_golden, load_native, load_served
from featurectl.registry.rows import load_model_version, model_document
from featurectl.registry.state import BoundFeature, ModelVersion
from tests.models.estimators import LIGHTGBM, fitted, label_of, matrix_of
from tests.models.test_runtimes import FIRST, Bomb

INPUTS = tuple(BoundFeature(name=f"c{i}", dtype="float64", model_dtype="float64") for i in range(5))

BOTH = PicklePolicy(by_flag=True, in_files=lambda: {"m"}, applied=frozenset({"m"}))


def version_of(artifact, **more):
    return ModelVersion(
        model="m", version=3, definition=more.pop("definition", {}), inputs=INPUTS, view_versions={}, table_versions={},
        params={},
        metrics={}, label="y", rows_train=300, rows_validation=0, artifact=artifact.path,
        artifact_format=artifact.format,
        artifact_bytes=artifact.size_bytes, artifact_sha256=artifact.sha256, libraries={"lightgbm": "4.7.0"},
        code_commit="",
        seed=7, created_at=datetime(2026, 1, 1, tzinfo=UTC), **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(5)
    matrix = matrix_of(rng, holes=True)
    kind, content, native = fitted("lightgbm.LGBMClassifier", LIGHTGBM, matrix, label_of(rng, matrix, "Classifier"))
    made = convert_model(kind, content, native, matrix, [3])
    rows = matrix[:100]
    columns = {f"c{i}": [None if np.isnan(x) else float(x) for x in rows[:, i]] for i in range(5)}
    return kind, content, made.content, columns, native.predict(rows)


@pytest.fixture
def version(trained, tmp_path):
    kind, content, onnx, columns, scores = trained
    native, served = (
        write_artifact(str(tmp_path), "m", form, data) for form, data in ((kind, content), ("onnx", onnx))
    )
    golden = write_artifact(str(tmp_path), "m", "json", dump_golden(columns, scores))
    return version_of(native, onnx=served.path, onnx_sha256=served.sha256, onnx_bytes=served.size_bytes,
                      golden=golden.path, golden_sha256=golden.sha256)  # fmt: skip


def test_onnx_serves_and_reproduces_the_golden_rows(version, tmp_path, trained):
    served = load_served(version, str(tmp_path), PicklePolicy())
    assert served.format == "onnx"
    assert check_golden(served, str(tmp_path)) == 100
    one = {name: values[:1] for name, values in trained[3].items()}
    np.testing.assert_allclose(served.predict(served.encoder.encode(one, 1)), trained[4][:1], atol=1e-6)


def test_the_native_file_serves_where_there_is_no_onnx(version, tmp_path):
    served = load_served(replace(version, onnx="", onnx_sha256=""), str(tmp_path), PicklePolicy())
    assert served.format == "txt"
    assert check_golden(served, str(tmp_path)) == 100


def test_a_version_of_before_there_were_golden_rows_has_none(version, tmp_path):
    document = json.loads(model_document(version))
    for name in ("onnx", "onnx_bytes", "onnx_sha256", "onnx_missing", "golden", "golden_sha256"):
        del document[name]
    old = load_model_version(json.dumps(document))
    assert (old.onnx, old.onnx_missing, old.golden) == ("", "", "")
    served = load_served(old, str(tmp_path), PicklePolicy())
    assert served.format == "txt"
    assert check_golden(served, str(tmp_path)) == 0


def test_a_golden_row_with_another_score_is_told(version, tmp_path, trained):
    scores = trained[4].copy()
    scores[41] += 2e-6
    golden = write_artifact(str(tmp_path), "m", "json", dump_golden(trained[3], scores))
    served = load_served(
        replace(version, golden=golden.path, golden_sha256=golden.sha256), str(tmp_path), PicklePolicy()
    )
    with pytest.raises(
        DataError, match=r"model m version 3 by onnx gives .* for golden row 42 of 100, which had "
    ) as caught:
        check_golden(served, str(tmp_path))
    assert (caught.value.code, caught.value.hint) == (
        "FC524",
        "use the library versions that trained it: lightgbm 4.7.0",
    )


@pytest.mark.parametrize("field", ["artifact", "onnx", "golden"])
@pytest.mark.parametrize("change", ["flipped", "swapped", "gone"])
def test_a_file_that_is_not_the_registered_one_is_refused_before_parsing(version, tmp_path, field, change, monkeypatch):
    served = load_served(version, str(tmp_path), PicklePolicy())
    path = tmp_path / getattr(version, field)
    if change == "gone":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(pickle.dumps(Bomb()) if change == "swapped" else content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr("featurectl.models.served_model.load_runtime", None)
    monkeypatch.setattr("featurectl.models.served_model.load_golden", None)
    load = {
        "artifact": lambda: load_native(version, str(tmp_path), BOTH),
        "onnx": lambda: load_served(version, str(tmp_path), BOTH),
        "golden": lambda: check_golden(served, str(tmp_path)),
    }
    with pytest.raises(DataError) as caught:
        load[field]()
    assert caught.value.code == "FC512"
    assert not hasattr(sys, "exploded")


@pytest.mark.parametrize("load", [load_native, load_served])
@pytest.mark.parametrize("kind", ["pkl", "py"])
@pytest.mark.parametrize(("definition", "by_flag", "error"),
                         [({}, True, DataError), ({"allow_pickle": False}, True, DataError),
                          ({"allow_pickle": "yes"}, True, DataError),
                          ({"allow_pickle": True}, False, UsageError)])  # fmt: skip
def test_a_version_that_runs_code_needs_both_leaves(load, kind, definition, by_flag, error, tmp_path):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    content = pickle.dumps(Bomb()) if kind == "pkl" else FIRST.encode()
    version = version_of(write_artifact(str(tmp_path), "m", kind, content), definition=definition)
    with pytest.raises(error, match="which runs code when it is loaded"):
        load(version, str(tmp_path), replace(BOTH, by_flag=by_flag))
    assert not hasattr(sys, "exploded")


def test_a_version_that_runs_code_serves_with_both(tmp_path):
    version = version_of(write_artifact(str(tmp_path), "m", "py", FIRST.encode()), definition={"allow_pickle": True})
    served = load_served(version, str(tmp_path), BOTH)
    assert served.predict(np.array([[2.0]], dtype=np.float32)).tolist() == [2.0]


def test_serving_loads_neither_polars_nor_the_language_nor_a_trainer():
    never = {"polars", "featurectl.language", "featurectl.plan", "onnx", "lightgbm", "sklearn", "pandas"}
    code = f"import sys, featurectl.models.served_model; print(sorted({never} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
