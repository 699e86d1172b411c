"""The process that reads a model's file: it answers one question after the other until nobody asks.

    python -P -m featurectl.models.isolation.worker READ WRITE MEMORY

READ and WRITE are the numbers of open pipes.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from featurectl.models.isolation.errors import error_message
from featurectl.models.isolation.limits import set_limits
from featurectl.models.isolation.messages import ClosedError, Message, packed, read_message, unpacked, write_message

_NOT_NEEDED: Final = ("sklearn", "pandas", "dask", "matplotlib")


def import_alone(library: str) -> None:
    """Import a library without what it also works with, of which its own models need nothing: a second less.

    Where it can't be imported, whoever uses it says why.
    """
    hidden = [name for name in _NOT_NEEDED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: an import of it fails
    try:
        with contextlib.suppress(Exception):  # each library raises its own kinds where a part of it is missing
            importlib.import_module(library)
    finally:
        for name in hidden:
            del sys.modules[name]


def _prepare(model_format: str) -> None:
    from featurectl.models.runtimes.base import LIGHTGBM, XGBOOST

    if library := {LIGHTGBM: "lightgbm", XGBOOST: "xgboost"}.get(model_format):
        import_alone(library)


class _Models:
    """The models that this process has loaded, by number, and what it is asked of them."""

    def __init__(self) -> None:
        self._loaded: list[Any] = []
        self.questions: Mapping[str, Callable[[Message], Message]] = {
            "open": self._open,
            "load": self._load,
            "prove": self._prove,
            "predict": self._predict,
            "classes": self._classes,
            "convert": self._convert,
        }

    def _put(self, runtime: Any) -> int:
        self._loaded.append(runtime)
        return len(self._loaded) - 1

    def _open(self, question: Message) -> Message:
        from featurectl.models.isolation.content import read_content

        _prepare(question["format"])
        found = read_content(
            Path(question["path"]),
            question["format"],
            question["content"],
            question["width"],
            allow_code=question["allow_code"],
        )
        return {
            "model": self._put(found.runtime),
            "content": found.content,
            "width": found.width,
            "names": list(found.names),
            "categories": [list(values) for values in found.categories],
        }

    def _load(self, question: Message) -> Message:
        from featurectl.models.isolation.content import as_kept
        from featurectl.models.runtimes.all_runtimes import load_runtime

        kind, allow_code = question["format"], question["allow_code"]
        _prepare(kind)
        kept = as_kept(kind, question["content"], question["width"])
        return {"model": self._put(load_runtime(kind, kept, allow_pickle=allow_code)), "content": kept}

    def _prove(self, question: Message) -> Message:
        from featurectl.models.isolation.content import prove

        return {"scores": packed(prove(self._loaded[question["model"]], unpacked(question["matrix"])))}

    def _predict(self, question: Message) -> Message:
        matrix, runtime = unpacked(question["matrix"]), self._loaded[question["model"]]
        before = time.perf_counter()
        scores = runtime.predict(matrix)
        return {"seconds": time.perf_counter() - before, "scores": packed(scores)}

    def _classes(self, question: Message) -> Message:
        from featurectl.models.runtimes.base import classes_of
        from featurectl.models.runtimes.estimator import has_classes

        matrix, runtime = unpacked(question["matrix"]), self._loaded[question["model"]]
        found = classes_of(runtime, matrix)
        if found is None:
            return {"table": None, "several": bool(len(matrix)) and has_classes(runtime, matrix)}
        return {"table": packed(found.table), "labels": found.labels.tolist(), "several": True}

    def _convert(self, question: Message) -> Message:
        from featurectl.models.conversion.convert import convert_model

        native, seen = self._loaded[question["model"]], unpacked(question["matrix"])
        made = convert_model(question["format"], question["content"], native, seen, question["categories"])
        return {"content": made.content, "missing": made.missing}


def answer_all(reading: int, writing: int) -> None:
    """Answer questions until nobody asks."""
    models = _Models()
    while True:
        question = read_message(reading)
        try:
            answer: Message = models.questions[question["question"]](question)
        except Exception as error:  # noqa: BLE001  # each library raises its own kinds
            answer = {"error": error_message(error)}
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
