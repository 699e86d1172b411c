"""Models that were trained elsewhere, read by a process of their own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.language.definitions.model import Model
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_regular_file
from featurectl.models.all_model_formats import MODEL_FORMATS
from featurectl.models.isolation.process import ModelProcess, RemoteModel
from featurectl.models.pickle_policy import PicklePolicy
from featurectl.models.runtimes.base import check_code_allowed

MAX_BYTES: Final = 2 << 30  # of a model's file; protobuf takes no more
_NUMBERED: Final = re.compile(r"(Column_|f|column_|feature_)?\d+")  # names that a library gives by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A model from a file, loaded in a process of its own; `sha256` is the digest of the file itself.

    The others are as `ReadModel` has them.
    """

    path: Path
    format: str
    sha256: str
    runtime: RemoteModel
    width: int
    names: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()


def read_foreign(path: Path, kind: str, policy: PicklePolicy, model: Model, process: ModelProcess) -> Foreign:
    """Return the model of a file of a format, for a model of the files; only a process of its own parses the file.

    Raises:
        DataError: FC514, it runs code and the model does not say that it may; FC513, its library is not installed;
            FC530, the process has died of it; FC531, it takes too long or too much memory.
        UsageError: it runs code and the command was not given --allow-pickle; it can't be read, is no regular file, or
            is of another width.
    """
    width, may_run = len(model.inputs), policy.has(model.name)
    check_code_allowed(kind, in_model=may_run, by_flag=policy.by_flag)  # before a byte of it is parsed
    content = _read_model(path)
    process.name = f"{path}, read as {MODEL_FORMATS[kind].words},"
    allowed = may_run and policy.by_flag
    answer = process.ask("open", path=str(path), format=kind, content=content, width=width, allow_code=allowed)
    return Foreign(
        path=path,
        format=kind,
        sha256=hashlib.sha256(content).hexdigest(),
        runtime=RemoteModel(process=process, number=int(answer["model"]), content=bytes(answer["content"])),
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
