"""A library that is imported alone: without what it also works with, and whatever is wrong with it."""

from __future__ import annotations

import sys

import pytest

from featurectl.models.isolation.worker import import_alone


@pytest.fixture
def library(tmp_path, monkeypatch):
    """The name of a module that is not there yet, and what writes it."""
    monkeypatch.syspath_prepend(tmp_path)
    name = "a_library_of_models"
    yield name, (tmp_path / f"{name}.py").write_text
    sys.modules.pop(name, None)


def test_what_it_also_works_with_is_hidden_while_it_is_imported(library, monkeypatch):
    name, write = library
    monkeypatch.delitem(sys.modules, "sklearn", raising=False)
    write("try:\n    import sklearn\nexcept ImportError:\n    sklearn = None\n")
    import_alone(name)
    assert sys.modules[name].sklearn is None
    assert "sklearn" not in sys.modules


@pytest.mark.parametrize("fault", ["OSError('libgomp.so.1')", "Exception('no library')", "ImportError('x')"])
def test_a_library_that_can_not_be_loaded_is_reported_by_who_uses_it(library, fault):
    name, write = library
    write(f"raise {fault}\n")
    import_alone(name)
    assert name not in sys.modules
    assert sys.modules.get("sklearn", sys) is not None
