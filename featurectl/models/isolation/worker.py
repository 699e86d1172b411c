"""The process that reads a model's file: it answers one question after the other until nobody asks.

    python -P -m featurectl.models.isolation.worker READ WRITE MEMORY

READ and WRITE are the numbers of open pipes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from featurectl.core.errors import DataError, FeaturectlError, UsageError
from featurectl.models.isolation.limits import set_limits
from featurectl.models.isolation.messages import ClosedError, Message, packed, read_message, unpacked, write_message

NO_MEMORY: Final = "memory"
_ERRORS: Final[Mapping[str, type[FeaturectlError]]] = {"usage": UsageError, "data": DataError}


def error_of(told: Message) -> Exception:
    """Return the error that an answer tells of; what a library has raised is a ValueError."""
    kind, message = str(told["kind"]), str(told["message"])
    if kind == NO_MEMORY:
        return MemoryError(message)
    if kind not in _ERRORS:
        return ValueError(message)
    return _ERRORS[kind](message, code=str(told["code"]), hint=str(told["hint"]))


def _error_message(error: BaseException) -> Message:
    if isinstance(error, MemoryError) or "bad_alloc" in str(error):
        return {"kind": NO_MEMORY, "message": ""}
    if isinstance(error, FeaturectlError):
        kind = next((name for name, of in _ERRORS.items() if isinstance(error, of)), "data")
        return {"kind": kind, "message": error.message, "code": error.code, "hint": error.hint}
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return {"kind": "library", "message": line[:300]}


class _Models:
    """The models that this process has loaded, by number, and what it is asked of them."""

    def __init__(self) -> None:
        self._loaded: list[Any] = []
        self.questions: Mapping[str, Callable[[Message], Message]] = {
            "open": self._open,
            "load": self._load,
            "predict": self._predict,
            "classes": self._classes,
            "convert": self._convert,
        }

    def _put(self, runtime: Any) -> int:
        self._loaded.append(runtime)
        return len(self._loaded) - 1

    def _open(self, asked: Message) -> Message:
        from featurectl.models.foreign import read_content

        found = read_content(
            Path(asked["path"]), asked["format"], asked["content"], asked["width"], allow_code=asked["allow_code"]
        )
        return {
            "model": self._put(found.runtime),
            "content": found.content,
            "width": found.width,
            "names": list(found.names),
            "categories": [list(values) for values in found.categories],
        }

    def _load(self, asked: Message) -> Message:
        from featurectl.models.runtimes.load import load_runtime
        from featurectl.models.structure.check import check_structure

        check_structure(asked["format"], asked["content"])
        return {"model": self._put(load_runtime(asked["format"], asked["content"], allow_pickle=False))}

    def _predict(self, asked: Message) -> Message:
        matrix, runtime = unpacked(asked["matrix"]), self._loaded[asked["model"]]
        before = time.perf_counter()
        scores = runtime.predict(matrix)
        return {"seconds": time.perf_counter() - before, "scores": packed(scores)}

    def _classes(self, asked: Message) -> Message:
        from featurectl.models.runtimes.base import classes_of
        from featurectl.models.runtimes.estimator import has_classes

        matrix, runtime = unpacked(asked["matrix"]), self._loaded[asked["model"]]
        found = classes_of(runtime, matrix)
        if found is None:
            return {"table": None, "several": bool(len(matrix)) and has_classes(runtime, matrix)}
        return {"table": packed(found.table), "labels": found.labels.tolist(), "several": True}

    def _convert(self, asked: Message) -> Message:
        from featurectl.models.conversion.convert import convert_model

        native, seen = self._loaded[asked["model"]], unpacked(asked["matrix"])
        made = convert_model(asked["format"], asked["content"], native, seen, asked["categories"])
        return {"content": made.content, "missing": made.missing}


def answer_all(reading: int, writing: int) -> None:
    """Answer questions until nobody asks."""
    models = _Models()
    while True:
        asked = read_message(reading)
        try:
            answer: Message = models.questions[asked["question"]](asked)
        except Exception as error:  # noqa: BLE001  # each library raises its own kinds
            answer = {"error": _error_message(error)}
        write_message(writing, answer)


def main() -> None:
    """Bound this process, and answer."""
    reading, writing, memory = map(int, sys.argv[1:4])
    set_limits(memory)
    try:
        answer_all(reading, writing)
    except ClosedError:
        return


if __name__ == "__main__":
    main()
