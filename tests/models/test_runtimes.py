"""Models load from data; what runs code must be allowed by the model and by the command."""

import io
import pickle
import sys
import warnings

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier
from skops import io as skops_io

from featurectl.core.errors import DataError, UsageError
from featurectl.models.estimators.base import FitRows
from featurectl.models.estimators.make import dump_estimator, fit_estimator, make_estimator
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.base import check_code_allowed
from featurectl.models.runtimes.estimator import EstimatorRuntime
from featurectl.models.runtimes.skops import KNOWN_TYPES
from featurectl.models.scores import worst_difference
from tests.models.estimators import LIBRARIES, NAN_REFUSED, NAN_TAKEN, fitted, label_of, matrix_of

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries
FIRST_OF_EACH = {name.split(".")[0]: (name, params) for name, params in reversed(NAN_TAKEN)}
FIRST = "tests.models.score_by_hand:first_column"


class Bomb:
    """Something whose pickle runs code."""

    def __reduce__(self):
        return (exec, ("import sys; sys.exploded = True",))


class Mean:
    """An estimator that no library knows."""

    def fit(self, matrix, label):  # noqa: ARG002  # of the protocol
        self.mean = float(np.mean(label))

    def predict(self, matrix):
        return np.full(len(matrix), self.mean)


@pytest.fixture(autouse=True)
def nothing_exploded():
    yield
    assert not hasattr(sys, "exploded")


@pytest.mark.parametrize(("name", "params"), [*FIRST_OF_EACH.values(), *NAN_REFUSED])
@pytest.mark.sample(4)
def test_an_estimator_is_kept_as_data_and_scores_as_it_did(name, params):
    rng = np.random.default_rng(1)
    matrix = matrix_of(rng, holes=False)
    label = label_of(rng, matrix, name)
    kind, content, runtime = fitted(name, params, matrix, label)
    assert kind == LIBRARIES[name.split(".")[0]]
    estimator = make_estimator(name, params, 7)
    rows = FitRows(matrix=matrix, label=label, names=[f"c{i}" for i in range(5)], categories=[3])
    fit_estimator(estimator, rows)
    expected = (
        estimator.predict_proba(matrix)[:, 1] if hasattr(estimator, "predict_proba") else estimator.predict(matrix)
    )
    assert worst_difference(runtime.predict(matrix), np.asarray(expected, dtype=np.float64)) is None
    one_thread = load_runtime(kind, content, allow_pickle=False, threads=1)
    assert worst_difference(one_thread.predict(matrix[:1]), runtime.predict(matrix[:1])) is None
    assert runtime.predict(matrix[:0]).shape == (0,)


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.pipeline.Pipeline",
        "sklearn.neighbors.KNeighborsClassifier",
        "sklearn.neural_network.MLPClassifier",
        "sklearn.calibration.CalibratedClassifierCV",
    ],
)
def test_more_of_scikit_learn_is_kept_as_data(name):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    matrix = matrix_of(rng, holes=False)
    params = {"steps": [("fill", SimpleImputer()), ("model", LogisticRegression())]} if "pipeline" in name else {}
    kind, _, runtime = fitted(name, params, matrix, label_of(rng, matrix, "Classifier"))
    assert kind == "skops"
    assert 0 <= runtime.predict(matrix).min() <= runtime.predict(matrix).max() <= 1


@pytest.mark.parametrize(
    ("in_model", "by_flag", "error"), [(False, False, DataError), (False, True, DataError), (True, False, UsageError)]
)
@pytest.mark.parametrize("kind", ["pkl", "py"])
def test_code_never_loads_unless_both_say_so(kind, in_model, by_flag, error):
    buffer = io.BytesIO()
    joblib.dump(Bomb(), buffer)
    content = buffer.getvalue() if kind == "pkl" else FIRST.encode()
    with pytest.raises(error, match="which runs code when it is loaded"):
        load_runtime(kind, content, allow_pickle=by_flag, in_model=in_model)


@pytest.mark.parametrize("kind", ["txt", "ubj", "cbm", "onnx", "skops"])
def test_a_pickle_under_the_name_of_a_data_format_is_not_unpickled(kind):
    with pytest.raises(Exception):  # noqa: B017, PT011  # each library's own
        load_runtime(kind, pickle.dumps(Bomb()), allow_pickle=True)


def test_a_skops_file_with_another_type_is_refused_by_its_name():
    content = skops_io.dumps(Mean())
    with pytest.raises(DataError, match=r"types that are not known: tests\.models\.test_runtimes\.Mean") as caught:
        load_runtime("skops", content, allow_pickle=True)
    assert caught.value.code == "FC514"


def test_the_known_types_are_scikit_learns_and_numpys():
    assert {name.split(".")[0] for name in KNOWN_TYPES} == {"numpy", "sklearn"}


def test_a_type_that_is_not_known_is_named_when_a_model_is_kept():
    from sklearn.preprocessing import FunctionTransformer

    made = FunctionTransformer(Mean)
    made.predict = None
    with pytest.raises(
        DataError, match=r"can only be kept as a pickle \(tests\.models\.test_runtimes\.Mean\)"
    ) as caught:
        dump_estimator(made, allow_pickle=False)
    assert caught.value.code == "FC514"


def test_an_unknown_library_needs_a_pickle():
    with pytest.raises(DataError, match="Mean can only be kept as a pickle, which runs code"):
        dump_estimator(Mean(), allow_pickle=False)
    made = Mean()
    made.fit(None, [1, 2])
    kind, content = dump_estimator(made, allow_pickle=True)
    assert kind == "pkl"
    assert load_runtime(kind, content, allow_pickle=True).predict(np.zeros((2, 1), np.float32)).tolist() == [1.5, 1.5]


def test_a_function_scores_as_it_is():
    made = make_estimator(FIRST, {}, 0)
    with pytest.raises(DataError, match="first_column is a Python function"):
        dump_estimator(made, allow_pickle=False)
    kind, content = dump_estimator(made, allow_pickle=True)
    assert (kind, content) == ("py", FIRST.encode())
    rows = np.array([[2.0], [np.nan]], dtype=np.float32)
    assert load_runtime(kind, content, allow_pickle=True).predict(rows).tolist() == [2.0, 0.0]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("tests.models.score_by_hand:nothing", {}, "score_by_hand:nothing can't be imported"),
        ("nowhere:f", {}, "nowhere:f can't be imported"),
        (":f", {}, ":f can't be imported"),
        ("tests.models.score_by_hand:NUMBER", {}, "NUMBER is no function"),
        (FIRST, {"depth": 3}, "is a function and takes no params"),
    ],
)
def test_a_function_that_can_not_be_had_is_named(name, params, message):
    with pytest.raises(DataError, match=message) as caught:
        make_estimator(name, params, 0)
    assert caught.value.code == "FC513"


def test_a_function_must_give_a_number_per_row():
    made = make_estimator("tests.models.score_by_hand:whole_table", {}, 0)
    with pytest.raises(DataError, match=r"gives float32 of shape \(2, 3\) for 2 rows"):
        made.predict(np.zeros((2, 3), np.float32))


def test_data_needs_no_leave():
    for kind in ("txt", "ubj", "cbm", "onnx", "skops"):
        check_code_allowed(kind, in_model=False, by_flag=False)


def test_an_unknown_format_is_refused():
    with pytest.raises(DataError, match="format 'exe' can't be read"):
        load_runtime("exe", b"", allow_pickle=True)


def test_classes_that_a_file_could_not_name_are_refused():
    matrix = matrix_of(np.random.default_rng(1), holes=False)
    label = np.array([10, 20, 30] * 100)
    with pytest.raises(DataError, match=r"was given 3 classes other than 0 \.\. 2"):
        fitted("lightgbm.LGBMClassifier", {"verbose": -1, "n_estimators": 2}, matrix, label)


def test_xgboost_with_another_missing_value_is_refused():
    matrix = matrix_of(np.random.default_rng(1), holes=False)
    with pytest.raises(DataError, match="`missing` can't be another number"):
        fitted("xgboost.XGBRegressor", {"missing": 0.0}, matrix, matrix[:, 0])


def test_catboost_writes_nothing_into_the_folder_and_takes_the_seed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    matrix = matrix_of(np.random.default_rng(1), holes=True)
    fitted("catboost.CatBoostRegressor", {"iterations": 2}, matrix, np.arange(300.0))
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")
    assert make_estimator("catboost.CatBoostRegressor", {"verbose": True},
                          7).get_params() == {"allow_writing_files": False, "random_seed": 7, "verbose": True,
                                              "loss_function": "RMSE"}  # fmt: skip


def test_without_skops_scikit_learn_is_a_pickle_or_nothing(monkeypatch):
    from sklearn.linear_model import Ridge

    made = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setattr("featurectl.models.estimators.sklearn.find_spec", lambda _name: None)
    with pytest.raises(DataError, match="skops is not installed") as caught:
        dump_estimator(made, allow_pickle=False)
    assert caught.value.hint == "pip install 'featurectl[models]'"
    assert dump_estimator(made, allow_pickle=True)[0] == "pkl"


def test_a_lightgbm_model_that_is_cut_off_is_refused():
    """LightGBM takes the trees that are left of it."""
    matrix = np.random.default_rng(3).normal(size=(200, 2))
    data = lightgbm.Dataset(matrix, matrix[:, 0] > 0, feature_name=["\u00e4", "b"])
    text = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 4).model_to_string()
    for end in ("Tree=2", "end of trees", "end of parameters"):
        with pytest.raises(DataError, match="it is cut off") as caught:
            load_runtime("txt", text[: text.index(end)].encode(), allow_pickle=False)
        assert caught.value.code == "FC512"
    assert load_runtime("txt", text.encode(), allow_pickle=False).predict(matrix.astype(np.float32)).shape == (200,)


def test_an_estimator_fitted_with_names_predicts_without_a_warning():
    columns = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    matrix = columns.to_numpy()
    for label in ([0, 0, 1, 1], [0, 1, 2, 2]):
        runtime = EstimatorRuntime(DecisionTreeClassifier().fit(columns, label))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(runtime.predict(matrix)) == 4
            assert (runtime.classes(matrix) is None) == (len(set(label)) == 2)
