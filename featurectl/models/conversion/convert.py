"""A fitted model -> ONNX that gives the same scores, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from featurectl.models.conversion.graph import CannotConvertError, Forest
from featurectl.models.conversion.probes import probe_rows
from featurectl.models.runtimes.base import CATBOOST, FUNCTION, LIGHTGBM, XGBOOST, Matrix, Runtime, install_hint
from featurectl.models.runtimes.estimator import EstimatorRuntime
from featurectl.models.runtimes.onnx import Onnx
from featurectl.models.scores import unit_of, worst_difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """The bytes of an ONNX model, or why there are none."""

    content: bytes = b""
    missing: str = ""


def convert_model(kind: str, content: bytes, native: Runtime, seen: Matrix, categories: list[int]) -> Converted:
    """Return a model as ONNX, proven equal to the native one.

    They are compared on rows that it was trained on, `seen`, and on rows at the thresholds of its trees. `categories`
    are the places of the columns that hold codes of categories.
    """
    absent = [library for library in ("onnx", "onnxruntime") if find_spec(library) is None]
    if absent:
        return Converted(missing=f"{absent[0]} is not installed: {install_hint(absent[0])}")
    try:
        made = _convert(kind, content, native, seen.shape[1])
        differs = _difference(made, native, seen, categories)
    except CannotConvertError as error:
        return Converted(missing=str(error))
    return Converted(missing=differs) if differs else Converted(content=made)


def _convert(kind: str, content: bytes, native: Runtime, width: int) -> bytes:
    if kind in _FORESTS:
        return _FORESTS[kind](content, width).to_onnx()
    if kind == FUNCTION:
        raise CannotConvertError("a Python function has no conversion")
    assert isinstance(native, EstimatorRuntime)
    library = type(native.estimator).__module__.split(".")[0]
    if library != "sklearn":
        raise CannotConvertError(f"estimators of {library} have no conversion")
    from featurectl.models.conversion.sklearn import convert_sklearn

    return convert_sklearn(native.estimator, width)


def _lightgbm(content: bytes, width: int) -> Forest:
    from featurectl.models.conversion.lightgbm import forest_of

    return forest_of(content, width)


def _xgboost(content: bytes, width: int) -> Forest:
    from featurectl.models.conversion.xgboost import forest_of

    return forest_of(content, width)


def _catboost(content: bytes, width: int) -> Forest:
    from featurectl.models.conversion.catboost import forest_of

    return forest_of(content, width)


_FORESTS: Final[Mapping[str, Callable[[bytes, int], Forest]]] = {
    LIGHTGBM: _lightgbm,
    XGBOOST: _xgboost,
    CATBOOST: _catboost,
}


def _difference(made: bytes, native: Runtime, seen: Matrix, categories: list[int]) -> str:
    try:
        converted = Onnx(made)
        for rows in (seen, *probe_rows(made, seen, categories)):
            try:
                expected = native.predict(rows)
            except ValueError:
                continue  # it refuses such rows, as those with a NaN; what it was trained on it does not refuse
            worst = worst_difference(converted.predict(rows), expected, unit_of(expected))
            if worst is not None:
                place, got, want = worst
                return (
                    f"as ONNX it gives {got!r} for a row for which it gives {want!r} (row {place + 1:,} of the check)"
                )
    except Exception as error:  # noqa: BLE001  # ONNX Runtime raises its own kinds, which it does not export
        return f"ONNX Runtime can't run it: {str(error).splitlines()[0]}"
    return ""
