"""Models that were trained elsewhere: a file's format, the inputs that it names, and its bytes in a format of ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from featurectl.core.documents import parse_json
from featurectl.core.errors import DataError, UsageError
from featurectl.language.definitions.objects import Model
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_regular_file
from featurectl.models.isolation.process import ModelProcess, RemoteModel
from featurectl.models.pickle_policy import PicklePolicy
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
from featurectl.models.runtimes.estimator import EstimatorRuntime
from featurectl.models.runtimes.load import load_runtime
from featurectl.models.structure.check import check_structure
from featurectl.models.structure.xgboost import is_json

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
MAX_BYTES: Final = 2 << 30  # of a model's file; protobuf takes no more
_NUMBERED: Final = re.compile(r"(Column_|f|column_|feature_)?\d+")  # names that a library gives by itself


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A model from a file, loaded in a process of its own; `sha256` is the digest of the file itself.

    The others are as `ReadModel` has them.
    """

    path: Path
    format: str
    content: bytes
    sha256: str
    runtime: RemoteModel
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


def read_foreign(path: Path, kind: str, leave: PicklePolicy, model: Model, process: ModelProcess) -> Foreign:
    """Return the model of a file of a format, for a model of the files; only a process of its own parses the file.

    Raises:
        DataError: FC514, it runs code and the model does not say that it may; FC513, its library is not installed;
            FC530, the process has died of it; FC531, it takes too long or too much memory.
        UsageError: it runs code and the command was not given --allow-pickle; it can't be read, is no regular file, or
            is of another width.
    """
    width, may_run = len(model.inputs), leave.has(model.name)
    check_code_allowed(kind, in_model=may_run, by_flag=leave.by_flag)  # before a byte of it is parsed
    content = _read_model(path)
    process.name = f"{path}, read as {_WORDS[kind]},"
    allowed = may_run and leave.by_flag
    answer = process.ask("open", path=str(path), format=kind, content=content, width=width, allow_code=allowed)
    return Foreign(
        path=path,
        format=kind,
        content=bytes(answer["content"]),
        sha256=hashlib.sha256(content).hexdigest(),
        runtime=RemoteModel(process=process, number=int(answer["model"])),
        width=int(answer["width"]),
        names=tuple(map(str, answer["names"])),
        categories=tuple(tuple(map(str, values)) for values in answer["categories"]),
    )


def _read_model(path: Path) -> bytes:
    try:
        return read_regular_file(path, MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except NotOwnFileError as error:
        raise UsageError(f"{path}: {error}") from error
    except FileTooLargeError as error:
        raise UsageError(f"{path} has {error}; models of at most {MAX_BYTES >> 30} GiB are read") from error


def read_content(path: Path, kind: str, content: bytes, width: int, *, allow_code: bool) -> ReadModel:
    """Return the model of a file's bytes, whose parts fit each other, for a model of so many inputs.

    Raises:
        DataError: FC513, its library is not installed; FC514, it holds types that are not known.
        UsageError: it can't be read, or is of another width.
    """
    try:
        check_structure(kind, content)
        kept = _stored(kind, content, width)
        runtime = load_runtime(kind, kept, allow_pickle=allow_code)
        found = _described(path, kind, content, ReadModel(content=kept, runtime=runtime, width=width))
    except (UsageError, MemoryError):
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


def _stored(kind: str, content: bytes, width: int) -> bytes:
    if kind == ONNX:
        from featurectl.models.conversion.foreign import normal_onnx

        return normal_onnx(content, width)
    if kind == XGBOOST and is_json(content):
        return as_ubj(content)
    return content


def as_ubj(content: bytes) -> bytes:
    """Return an XGBoost model of JSON as UBJSON; its parts were looked at before."""
    try:
        import xgboost
    except ImportError as error:
        raise not_installed("xgboost") from error
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    return bytes(booster.save_raw("ubj"))


def _described(path: Path, kind: str, given: bytes, found: ReadModel) -> ReadModel:
    """Return a model with what its file says of its inputs; `given` are the file's bytes."""
    match kind:
        case "txt":
            return _of_lightgbm(found)
        case "ubj":
            import xgboost

            booster = xgboost.Booster()
            booster.load_model(bytearray(found.content))
            return replace(found, width=booster.num_features(), names=tuple(booster.feature_names or ()))
        case "cbm":
            return _of_catboost(path, found)
        case "skops" | "pkl":
            return _of_estimator(path, found)
        case _:
            from featurectl.models.conversion.foreign import names_of

            return replace(found, names=names_of(given))


def _of_lightgbm(found: ReadModel) -> ReadModel:
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
    width = int(getattr(estimator, "n_features_in_", found.width))
    return replace(found, width=width, names=tuple(map(str, getattr(estimator, "feature_names_in_", ()))))
