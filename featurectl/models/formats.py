"""The formats of files of models that were trained elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.models.runtimes.base import CATBOOST, LIGHTGBM, ONNX, PICKLE, SKOPS, XGBOOST

FORMATS_BY_SUFFIX: Final[Mapping[str, str]] = {
    ".onnx": ONNX,
    ".txt": LIGHTGBM,
    ".ubj": XGBOOST,
    ".json": XGBOOST,
    ".cbm": CATBOOST,
    ".skops": SKOPS,
    ".pkl": PICKLE,
    ".pickle": PICKLE,
    ".joblib": PICKLE,
}
LIBRARIES: Final[Mapping[str, str]] = {
    ONNX: "onnxruntime",
    LIGHTGBM: "lightgbm",
    XGBOOST: "xgboost",
    CATBOOST: "catboost",
    SKOPS: "sklearn",
    PICKLE: "sklearn",
}
FORMAT_WORDS: Final[Mapping[str, str]] = {
    ONNX: "ONNX",
    LIGHTGBM: "LightGBM's text",
    XGBOOST: "XGBoost's UBJSON or JSON",
    CATBOOST: "CatBoost's cbm",
    SKOPS: "skops",
    PICKLE: "a pickle",
}


def format_of_file(path: Path) -> str:
    """Return the format that a file's name ends in.

    Raises:
        UsageError: none.
    """
    kind = FORMATS_BY_SUFFIX.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path}: what format is it?", hint="names end in " + ", ".join(FORMATS_BY_SUFFIX))
    return kind
