"""Models that were trained elsewhere: a file's format, the inputs that it names, and its bytes in a format of ours."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from featurectl.errors import DataError, UsageError
from featurectl.models.leave import Leave
from featurectl.models.runtimes.base import (
    CATBOOST,
    LIGHTGBM,
    ONNX,
    PICKLE,
    SKOPS,
    XGBOOST,
    Runtime,
    check_code_allowed,
    not_installed,
)
from featurectl.models.runtimes.estimator import Fitted
from featurectl.models.runtimes.load import load_runtime
from featurectl.spec.definition import Model

FORMATS: Final[Mapping[str, str]] = {
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
_WORDS: Final[Mapping[str, str]] = {
    ONNX: "ONNX",
    LIGHTGBM: "LightGBM's text",
    XGBOOST: "XGBoost's UBJSON or JSON",
    CATBOOST: "CatBoost's cbm",
    SKOPS: "skops",
    PICKLE: "a pickle",
}
_NUMBERED: Final = re.compile(r"(Column_|f|column_|feature_)?\d+")  # names that a library gives by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A model from a file, loaded.

    `content` is what is kept, `sha256` the digest of the file itself. `names` are its inputs' (empty: it has none),
    `categories` the lists of those that are categories, in order, where the file holds them.
    """

    path: Path
    format: str
    content: bytes
    sha256: str
    runtime: Runtime
    width: int
    names: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()


def format_of_file(path: Path) -> str:
    """Return the format that a file's name ends in.

    Raises:
        UsageError: none.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path}: what format is it?", hint="names end in " + ", ".join(FORMATS))
    return kind


def read_foreign(path: Path, kind: str, leave: Leave, model: Model) -> Foreign:
    """Return the model of a file of a format, for a model of the files.

    Raises:
        DataError: FC514, it runs code and the model does not say that it may; FC513, its library is not installed.
        UsageError: it runs code and the command was not given --allow-pickle; it can't be read, or is of another width.
    """
    width = len(model.inputs)
    check_code_allowed(kind, in_model=leave.has(model.name), by_flag=leave.by_flag)  # before a byte of it is parsed
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    try:
        kept = _kept(kind, content, width)
        runtime = load_runtime(kind, kept, allow_pickle=leave.by_flag, in_model=leave.has(model.name))
        found = Foreign(
            path=path,
            format=kind,
            content=kept,
            sha256=hashlib.sha256(content).hexdigest(),
            runtime=runtime,
            width=width,
        )
        found = _described(found)
    except UsageError:
        raise
    except Exception as error:  # each library raises its own kinds
        if isinstance(error, DataError) and error.code != "FC512":
            raise
        line = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"{path} can't be read as {_WORDS[kind]}: {line[:200]}") from error
    if found.width != width:
        raise UsageError(f"{path} takes {found.width} inputs, the model in the files has {width}")
    return found


def check_names(found: Foreign, names: Sequence[str]) -> None:
    """See that a file names its inputs as the model in the files does, in its order; numbers are no names.

    Raises:
        UsageError: it does not.
    """
    if not found.names or all(_NUMBERED.fullmatch(name) for name in found.names):
        return
    for place, (theirs, ours) in enumerate(zip(found.names, names, strict=True)):
        if theirs != ours:
            raise UsageError(
                f"input {place + 1} is {theirs!r} in {found.path.name} and {ours!r} in the files",
                hint=f"in its order: {', '.join(found.names[:20])}; `as` and `prefix` name features",
            )


def _kept(kind: str, content: bytes, width: int) -> bytes:
    if kind == ONNX:
        from featurectl.models.conversion.foreign import normal_onnx

        return normal_onnx(content, width)
    if kind == XGBOOST and content.lstrip()[:2] != b"{L" and content.lstrip()[:1] == b"{":
        return _as_ubj(content)
    return content


def _as_ubj(content: bytes) -> bytes:
    try:
        import xgboost
    except ImportError as error:
        raise not_installed("xgboost") from error
    json.loads(content)  # XGBoost would end the process over a file that is cut off
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    return bytes(booster.save_raw("ubj"))


def _described(found: Foreign) -> Foreign:
    """Return a model with what its file says of its inputs."""
    match found.format:
        case "txt":
            return _of_lightgbm(found)
        case "ubj":
            import xgboost

            booster = xgboost.Booster()
            booster.load_model(bytearray(found.content))
            return replace(found, width=booster.num_features(), names=tuple(booster.feature_names or ()))
        case "cbm":
            return _of_catboost(found)
        case "skops" | "pkl":
            return _of_estimator(found)
        case _:
            from featurectl.models.conversion.foreign import names_of

            return replace(found, names=names_of(found.path.read_bytes()))


def _of_lightgbm(found: Foreign) -> Foreign:
    text = found.content.decode()
    facts = dict(line.partition("=")[::2] for line in text[: text.find("\nTree=")].splitlines() if "=" in line)
    pandas = re.search(r"^pandas_categorical:(\[.*\])$", text, re.MULTILINE)
    listed: list[list[Any]] = json.loads(pandas[1]) if pandas else []
    return replace(
        found,
        width=int(facts["max_feature_idx"]) + 1,
        names=tuple(facts["feature_names"].split(" ")),
        categories=tuple(tuple(map(str, values)) for values in listed),
    )


def _of_catboost(found: Foreign) -> Foreign:
    import catboost

    model = catboost.CatBoost().load_model(blob=found.content)
    if model.get_cat_feature_indices() or model.get_text_feature_indices():
        raise UsageError(
            f"{found.path}: CatBoost's own categories and texts are not numbers",
            hint="train it on the codes of the categories",
        )
    names = tuple(model.feature_names_)
    return replace(found, width=len(names), names=names)


def _of_estimator(found: Foreign) -> Foreign:
    estimator = found.runtime.estimator if isinstance(found.runtime, Fitted) else None
    if not hasattr(estimator, "predict"):
        raise UsageError(f"{found.path} holds {type(estimator).__name__}, which has no predict")
    width = int(getattr(estimator, "n_features_in_", found.width))
    return replace(found, width=width, names=tuple(map(str, getattr(estimator, "feature_names_in_", ()))))
