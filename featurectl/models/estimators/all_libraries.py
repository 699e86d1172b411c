"""The libraries whose estimators want something of their own, by the first part of their modules' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.models.estimators.base import EstimatorLibrary
from featurectl.models.estimators.catboost import CatBoostLibrary
from featurectl.models.estimators.lightgbm import LightGbmLibrary
from featurectl.models.estimators.sklearn import SklearnLibrary
from featurectl.models.estimators.xgboost import XGBoostLibrary

_LIBRARIES: Final[Mapping[str, EstimatorLibrary]] = {
    "lightgbm": LightGbmLibrary(),
    "xgboost": XGBoostLibrary(),
    "catboost": CatBoostLibrary(),
    "sklearn": SklearnLibrary(),
}
_ANY: Final = EstimatorLibrary()


def library_of(module: str) -> EstimatorLibrary:
    """Return the library that a module belongs to."""
    return _LIBRARIES.get(module.split(".", maxsplit=1)[0], _ANY)
