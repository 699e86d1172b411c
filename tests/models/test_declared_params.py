"""The names of an estimator's parameters, in the files of its package as on the class itself."""

from __future__ import annotations

import importlib
import inspect

import pytest
from sklearn.utils import all_estimators

from featurectl.models.estimators.declared_params import find_unknown

BODIES = {
    "plain": "class Model:\n    def __init__(self, depth=3, *, rate=0.1): pass\n",
    "below": "from .plain import Model as Base\nclass Mixin: pass\nclass Model(Mixin, Base): pass\n",
    "above": "from ...... import Model\n",
    "opened": "class Model:\n    def __init__(self, depth=3, **others): pass\n",
    "made": "from dataclasses import dataclass\n@dataclass\nclass Model:\n    depth: int = 3\n",
    "twice": "if True:\n    class Model:\n        def __init__(self, depth=3): pass\nelse:\n    class Model: pass\n",
}
BOOSTERS = {
    "lightgbm.LGBMClassifier": ["n_estimators", "num_iterations", "eta", "verbose", "seed", "cat_l2"],
    "xgboost.XGBRegressor": ["n_estimators", "eta", "reg_lambda", "lambda", "nthread", "rate_drop", "top_k",
                             "huber_slope", "tweedie_variance_power", "quantile_alpha", "early_stopping_rounds"],
    "catboost.CatBoostClassifier": ["n_estimators", "iterations", "eta", "l2_leaf_reg", "thread_count"],
    "sklearn.ensemble.RandomForestClassifier": ["n_estimators", "max_depth"],
}  # fmt: skip


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "withparams"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name, body in BODIES.items():
        (folder / f"{name}.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return "withparams"


def factory_of(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_misspelt_parameter_is_told_and_every_alias_is_taken(name):
    for factory in (None, factory_of(name)):
        assert find_unknown(name, BOOSTERS[name], factory) == []
        (unknown,) = find_unknown(name, ["n_estimator", *BOOSTERS[name]], factory)
        assert (unknown.message, unknown.suggestion) == (
            f'{name} has no parameter "n_estimator"',
            'did you mean "n_estimators"?',
        )


@pytest.mark.parametrize(("module", "wrong"), [
    ("plain", ["deep"]), ("below", ["deep"]), ("above", []), ("opened", []), ("made", []), ("twice", []),
])  # fmt: skip
def test_what_runs_no_code_can_not_see_is_left_to_training(package, module, wrong):
    name = f"{package}.{module}.Model"
    assert [item.name for item in find_unknown(name, ["depth", "deep"])] == wrong
    if module == "above":
        return  # and fails when it is imported
    seen = [item.name for item in find_unknown(name, ["depth", "deep"], factory_of(name))]
    assert seen == ([] if module == "opened" else ["deep"])


def test_without_a_near_name_the_parameters_are_listed(package):
    (unknown,) = find_unknown(f"{package}.plain.Model", ["zzz"])
    assert (unknown.suggestion, unknown.listed) == ("", "parameters: depth, rate")


@pytest.mark.long
def test_the_files_of_every_estimator_say_what_its_class_takes():
    for name, kind in all_estimators():
        known = list(inspect.signature(kind).parameters)
        full = f"{kind.__module__}.{name}"
        for factory in (None, kind):
            wrong = [item.name for item in find_unknown(full, [*known, "no_such_name"], factory)]
            assert wrong == (["no_such_name"] if known else []), full
