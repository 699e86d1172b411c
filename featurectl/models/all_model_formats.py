"""The formats of files that models are kept in as they were trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.models.runtimes.base import CATBOOST, LIGHTGBM, ONNX, PICKLE, SKOPS, XGBOOST


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFormat:
    """A format: its name in the registry, what people call it, and the ends of its files' names.

    `suffixes` are those of featurectl's own convention, `foreign_suffixes` others that files have elsewhere. `library`
    is the module whose models it holds, `reader` the module that reads it: "" where whatever made the model does.
    `flavor` is what MLflow calls it in a saved model, "" where its other fields say so.
    """

    name: str
    words: str
    suffixes: tuple[str, ...]
    library: str
    reader: str
    flavor: str = ""
    foreign_suffixes: tuple[str, ...] = ()


_FORMATS: Final = (
    ModelFormat(
        name=ONNX,
        words="ONNX",
        suffixes=(".onnx",),
        library="onnxruntime",
        reader="onnxruntime",
        flavor="onnx",
    ),
    ModelFormat(
        name=LIGHTGBM,
        words="LightGBM's text",
        suffixes=(".txt",),
        library="lightgbm",
        reader="lightgbm",
        flavor="lightgbm",
    ),
    ModelFormat(
        name=XGBOOST,
        words="XGBoost's UBJSON or JSON",
        suffixes=(".ubj", ".json"),
        library="xgboost",
        reader="xgboost",
        flavor="xgboost",
    ),
    ModelFormat(
        name=CATBOOST,
        words="CatBoost's cbm",
        suffixes=(".cbm",),
        library="catboost",
        reader="catboost",
        flavor="catboost",
    ),
    ModelFormat(
        name=SKOPS,
        words="skops",
        suffixes=(".skops",),
        library="sklearn",
        reader="skops",
        flavor="sklearn",
    ),
    ModelFormat(
        name=PICKLE,
        words="a pickle",
        suffixes=(".pkl",),
        library="sklearn",
        reader="",
        foreign_suffixes=(".pickle", ".joblib"),
    ),
)
MODEL_FORMATS: Final[Mapping[str, ModelFormat]] = {item.name: item for item in _FORMATS}
FORMATS_BY_SUFFIX: Final[Mapping[str, str]] = {
    suffix: item.name for item in _FORMATS for suffix in (*item.suffixes, *item.foreign_suffixes)
}
FORMATS_BY_FLAVOR: Final[Mapping[str, str]] = {item.flavor: item.name for item in _FORMATS if item.flavor}


def format_of_file(path: Path) -> str:
    """Return the format that a file's name ends in.

    Raises:
        UsageError: none.
    """
    kind = FORMATS_BY_SUFFIX.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path}: what format is it?", hint="names end in " + ", ".join(FORMATS_BY_SUFFIX))
    return kind
