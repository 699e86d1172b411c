"""The bytes of a model -> the model. Only data formats load by default; what runs code must be allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from featurectl.core.errors import DataError, FeaturectlError
from featurectl.models.runtimes.base import (
    CATBOOST,
    FUNCTION,
    LIGHTGBM,
    ONNX,
    PICKLE,
    RUNS_CODE,
    SKOPS,
    XGBOOST,
    Runtime,
    check_code_allowed,
)


def load_runtime(kind: str, content: bytes, *, allow_pickle: bool, in_model: bool = True, threads: int = 0) -> Runtime:
    """Return a model from its bytes, which somebody has checked against their digest.

    `allow_pickle` is what the command says, `in_model` what the model's definition says. `threads` bounds what a
    prediction uses where the library lets it; 0 is the library's own choice.

    Raises:
        UsageError: it runs code and the command was not given --allow-pickle.
        DataError: FC514, it runs code and the model does not say that it may; FC513, its library is not installed;
            FC512, the bytes are of no such format.
    """
    check_code_allowed(kind, in_model=in_model, by_flag=allow_pickle)
    if kind not in _LOADERS:
        raise DataError(f"a model of format {kind!r} can't be read by this version", code="FC513")
    try:
        return _LOADERS[kind](content, threads)
    except FeaturectlError:
        raise
    except Exception as error:  # each library raises its own kinds
        if kind in RUNS_CODE:
            raise
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"a model can't be read as {kind}: {line[:200]}", code="FC512") from error


def _lightgbm(content: bytes, threads: int) -> Runtime:
    from featurectl.models.runtimes.lightgbm import LightGbm

    return LightGbm(content, threads)


def _xgboost(content: bytes, threads: int) -> Runtime:
    from featurectl.models.runtimes.xgboost import XGBoost

    return XGBoost(content, threads)


def _catboost(content: bytes, threads: int) -> Runtime:
    from featurectl.models.runtimes.catboost import CatBoost

    return CatBoost(content, threads)


def _onnx(content: bytes, _threads: int) -> Runtime:
    from featurectl.models.runtimes.onnx import Onnx

    return Onnx(content)


def _skops(content: bytes, _threads: int) -> Runtime:
    from featurectl.models.runtimes.skops import load_skops

    return load_skops(content)


def _pickle(content: bytes, _threads: int) -> Runtime:
    from featurectl.models.runtimes.pickled import load_pickle

    return load_pickle(content)


def _function(content: bytes, _threads: int) -> Runtime:
    from featurectl.models.runtimes.function import FunctionRuntime

    return FunctionRuntime(content.decode())


_LOADERS: Final[Mapping[str, Callable[[bytes, int], Runtime]]] = {
    LIGHTGBM: _lightgbm,
    XGBOOST: _xgboost,
    CATBOOST: _catboost,
    ONNX: _onnx,
    SKOPS: _skops,
    PICKLE: _pickle,
    FUNCTION: _function,
}
