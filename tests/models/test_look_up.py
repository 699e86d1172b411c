"""Whether an estimator is there, seen in the files of its package without running any of it."""

from __future__ import annotations

import importlib
import sys

import pytest
from sklearn.utils import all_estimators

from featurectl.models.estimators.look_up import find_missing

BODIES = {
    "plain": "class Model:\n    def fit(self): pass\nMade = Model\nif True:\n    from os import path as Way\n",
    "tried": "try:\n    from os import nothing as Fast\nexcept ImportError:\n    class Slow: pass\nelse:\n    x = 1\n",
    "lazy": "def __getattr__(name):\n    return name\n",
    "starred": "from os.path import *\n",
    "broken": "class Model(:\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "lookedup"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('code of it runs')\n")
    for name, body in BODIES.items():
        (folder / f"{name}.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return "lookedup"


@pytest.mark.parametrize("name", ["plain.Model", "plain:Made", "plain.Way", "tried.Fast", "tried.Slow", "tried.x"])
def test_what_a_module_binds_is_there(package, name):
    assert find_missing(f"{package}.{name}") is None


@pytest.mark.parametrize("name", ["lazy.Any", "starred.Any", "broken.Any"])
def test_a_module_that_may_have_any_name_is_taken_to_have_it(package, name):
    assert find_missing(f"{package}.{name}") is None


def test_what_is_not_there_is_told_with_what_is_near(package):
    found = [find_missing(f"{package}.{name}") for name in ("plain.Modell", "plian.Model", "plain.fit")]
    assert [(missing.message, missing.suggestion, missing.installed) for missing in found] == [
        ("lookedup.plain has no Modell", 'did you mean "Model"?', True),
        ("lookedup has no module plian", 'did you mean "plain"?', True),
        ("lookedup.plain has no fit", "", True),
    ]
    assert "lookedup" not in sys.modules
    assert not find_missing("no_such_package.x.Y").installed


@pytest.mark.long
def test_every_estimator_of_the_library_is_found():
    names = [f"{kind.__module__}.{name}" for name, kind in all_estimators()]
    assert len(names) > 100
    assert [name for name in names if find_missing(name) is not None] == []
