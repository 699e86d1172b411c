"""The distribution of a module is the one that the library of Python finds, for every module that is installed."""

from __future__ import annotations

from importlib import metadata

import pytest

from featurectl.operations.training.distributions import distributions_of

KNOWN = {module: tuple(sorted(set(names))) for module, names in metadata.packages_distributions().items()}


@pytest.mark.parametrize("module", ["sklearn", "xgboost", "catboost", "lightgbm", "skops", "onnx", "yaml", "six"])
def test_the_distribution_of_a_module_is_that_of_importlib(module):
    assert distributions_of(module) == KNOWN[module] != ()


def test_a_module_that_no_distribution_has_comes_from_none():
    assert distributions_of("my_trainer") == ()
