"""A model's bytes from elsewhere, parsed: what is kept of them, and the inputs that they name.

Only the process that reads such a file calls this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from featurectl.core.documents import parse_json
from featurectl.core.errors import DataError, UsageError
from featurectl.models.all_model_formats import MODEL_FORMATS
from featurectl.models.isolation.errors import is_out_of_memory
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.base import (
    CATBOOST,
    LIGHTGBM,
    ONNX,
    PICKLE,
    SKOPS,
    XGBOOST,
    Matrix,
    Runtime,
    Scores,
    not_installed,
)
from featurectl.models.runtimes.estimator import EstimatorRuntime, class_count

_MIXED: Final = 10  # rows of mixed values for each one that is given


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadModel:
    """A model of a file, loaded where it is read.

    `content` is what is kept. `names` are its inputs' (empty: it has none), `categories` the lists of those that are
    categories, in order, where the file holds them.
    """

    content: bytes
    runtime: Runtime
    width: int
    names: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()


def read_content(path: Path, kind: str, content: bytes, width: int, *, allow_code: bool) -> ReadModel:
    """Return the model of a file's bytes, for a model of so many inputs.

    Raises:
        DataError: FC513, its library is not installed; FC514, it holds types that are not known.
        UsageError: it can't be read, or is of another width.
    """
    try:
        kept = as_kept(kind, content, width)
        runtime = load_runtime(kind, kept, allow_pickle=allow_code)
        found = _described(path, kind, content, ReadModel(content=kept, runtime=runtime, width=width))
    except (UsageError, MemoryError):
        raise
    except Exception as error:  # each library raises its own kinds
        if isinstance(error, DataError) and error.code != "FC512":
            raise
        line = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"{path} can't be read as {MODEL_FORMATS[kind].words}: {line[:200]}") from error
    if found.width != width:
        raise UsageError(f"{path} takes {found.width} inputs, the model in the files has {width}")
    return found


def as_kept(kind: str, content: bytes, width: int) -> bytes:
    """Return the bytes that are kept of a file: ONNX in the form of ours, XGBoost's JSON as UBJSON, others as they are.

    Raises:
        UsageError: an ONNX graph has other inputs or outputs, or keeps tensors in other files.
    """
    if kind == ONNX:
        from featurectl.models.conversion.external_onnx import normal_onnx

        return normal_onnx(content, width)
    if kind == XGBOOST and _is_json(content):
        return _as_ubj(content)
    return content


def prove(runtime: Runtime, rows: Matrix) -> Scores:
    """Return a model's scores of rows, asked twice, once it has met values and nulls that these rows do not have.

    A damaged model may end its process only over some values.

    Raises:
        ValueError: a row gets another score the second time.
    """
    rng = np.random.default_rng(0)
    mixed = rng.permuted(np.repeat(rows, _MIXED, axis=0), axis=0)
    holed = np.where(rng.random(mixed.shape) < 0.2, np.float32(np.nan), mixed)
    for odd in (mixed, holed, np.full_like(rows, 1e30), np.full_like(rows, -1e30), np.zeros_like(rows)):
        try:
            runtime.predict(odd)
        except Exception as error:  # each library raises its own kinds where it refuses a row
            if is_out_of_memory(error):
                raise
    scores = runtime.predict(rows)
    if not np.array_equal(scores, runtime.predict(rows), equal_nan=True):
        raise ValueError("a row gets another score each time")
    return scores


def _is_json(content: bytes) -> bool:
    start = content.lstrip()
    return start[:1] == b"{" and start[1:2] != b"L"  # UBJSON goes on with the length of its first name


def _as_ubj(content: bytes) -> bytes:
    try:
        import xgboost
    except ImportError as error:
        raise not_installed("xgboost") from error
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    return bytes(booster.save_raw("ubj"))


def _described(path: Path, kind: str, given: bytes, found: ReadModel) -> ReadModel:
    """Return a model with what its file says of its inputs; `given` are the file's bytes."""
    if kind == ONNX:  # of what was given: the names of its inputs are not in what is kept
        from featurectl.models.conversion.external_onnx import names_of

        return replace(found, names=names_of(given))
    return _DESCRIBED[kind](path, found)


def _of_lightgbm(_: Path, found: ReadModel) -> ReadModel:
    text = found.content.decode()
    facts = dict(line.partition("=")[::2] for line in text[: text.find("\nTree=")].splitlines() if "=" in line)
    pandas = re.search(r"^pandas_categorical:(\[.*\])$", text, re.MULTILINE)
    listed: list[list[Any]] = parse_json(pandas[1]) if pandas else []
    return replace(
        found,
        width=int(facts["max_feature_idx"]) + 1,
        names=tuple(facts["feature_names"].split(" ")),
        categories=tuple(tuple(map(str, values)) for values in listed),
    )


def _of_xgboost(_: Path, found: ReadModel) -> ReadModel:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(found.content))
    return replace(found, width=booster.num_features(), names=tuple(booster.feature_names or ()))


def _of_catboost(path: Path, found: ReadModel) -> ReadModel:
    import catboost

    model = catboost.CatBoost().load_model(blob=found.content)
    if model.get_cat_feature_indices() or model.get_text_feature_indices():
        raise UsageError(
            f"{path}: CatBoost's own categories and texts are not numbers",
            hint="train it on the codes of the categories",
        )
    names = tuple(model.feature_names_)
    return replace(found, width=len(names), names=names)


def _of_estimator(path: Path, found: ReadModel) -> ReadModel:
    estimator = found.runtime.estimator if isinstance(found.runtime, EstimatorRuntime) else None
    if not hasattr(estimator, "predict"):
        raise UsageError(f"{path} holds {type(estimator).__name__}, which has no predict")
    if class_count(estimator) == 1:
        only = np.ravel(getattr(estimator, "classes_", ()))[0]
        raise UsageError(
            f"{path} is a classifier of one class, {only}: it was trained on no other and has learned nothing"
        )
    width = int(getattr(estimator, "n_features_in_", found.width))
    return replace(found, width=width, names=tuple(map(str, getattr(estimator, "feature_names_in_", ()))))


_DESCRIBED: Final[Mapping[str, Callable[[Path, ReadModel], ReadModel]]] = {
    LIGHTGBM: _of_lightgbm,
    XGBOOST: _of_xgboost,
    CATBOOST: _of_catboost,
    SKOPS: _of_estimator,
    PICKLE: _of_estimator,
}
