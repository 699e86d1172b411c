"""A process for models of files that come from elsewhere, and the models in it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from featurectl.core.errors import DataError
from featurectl.models.conversion.convert import Converted
from featurectl.models.isolation.errors import error_of
from featurectl.models.isolation.limits import ProcessLimits
from featurectl.models.isolation.messages import (
    ClosedError,
    LateError,
    Message,
    packed,
    read_message,
    unpacked,
    write_message,
)
from featurectl.models.runtimes.base import Classes, Matrix, Scores

_MODULE: Final = "featurectl.models.isolation.worker"
_ROWS: Final = 10_000  # of one question, each of which has the whole time
_HINT: Final = "it is damaged, or was made to do so: export it once more where it was trained"
_SETTINGS: Final = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}  # or each core takes memory that is not used


class ModelProcess:
    """A process that answers; it is there from `open_process` on, until that ends."""

    def __init__(
        self, process: subprocess.Popen[bytes], pipes: tuple[int, int], said: IO[bytes], limits: ProcessLimits
    ) -> None:
        self._process, self._pipes, self._said, self._limits = process, pipes, said, limits
        self.name = "the model"

    def ask(self, question: str, **values: object) -> Message:
        """Return the answer to a question.

        Raises:
            DataError: FC530, the process has died of it; FC531, it took too long, or more memory than there may be.
            FeaturectlError: what it found wrong.
            ValueError: what the model's library has raised.
        """
        reading, writing = self._pipes
        try:
            write_message(writing, {"question": question, **values})
            answer = read_message(reading, self._limits.seconds)
        except LateError as error:
            raise self._late() from error
        except (ClosedError, ValueError) as error:
            raise self._died() from error
        if "error" not in answer:
            return answer
        found = error_of(answer["error"])
        raise self._large() if isinstance(found, MemoryError) else found

    def _late(self) -> DataError:
        what = f"{self.name} has not answered in {self._limits.seconds:g} seconds and was ended"
        return DataError(what, code="FC531", hint=_HINT)

    def _large(self) -> DataError:
        gib = self._limits.memory_bytes / (1 << 30)
        what = f"{self.name} needs more than {gib:.1f} GiB of memory"
        return DataError(what, code="FC531", hint="--memory gives it more; or it is damaged")

    def _died(self) -> DataError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self._limits.seconds)
        self._said.seek(max(self._said.seek(0, os.SEEK_END) - 4096, 0))
        last = self._said.read()
        if b"bad_alloc" in last or b"MemoryError" in last:
            return self._large()
        code = self._process.poll()
        how = "" if code is None else f" (exit code {code})" if code >= 0 else f" ({_named(-code)})"
        return DataError(f"{self.name} ends the process that reads it{how}", code="FC530", hint=_HINT)


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def open_process(limits: ProcessLimits) -> Iterator[ModelProcess]:
    """Give a process for models; it has ended when this does, whatever it was doing.

    Raises:
        DataError: FC530, it can't be started.
    """
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    with tempfile.TemporaryFile() as said:
        try:
            process = _started(to_child, from_child, limits, said)
        except OSError as error:
            os.close(from_parent)
            os.close(to_parent)
            message = f"a process that reads the model can't be started: {error.strerror}"
            raise DataError(message, code="FC530", hint="it is a Python of its own; nothing was registered") from error
        finally:
            os.close(to_child)
            os.close(from_child)
        try:
            yield ModelProcess(process, (to_parent, from_parent), said, limits)
        finally:
            process.kill()
            process.wait()
            os.close(from_parent)
            os.close(to_parent)


def _started(reading: int, writing: int, limits: ProcessLimits, said: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the process with this one's modules, and nothing of the current folder that this one has not."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    command = [sys.executable, "-P", "-m", _MODULE, str(reading), str(writing), str(limits.memory_bytes)]
    return subprocess.Popen(  # noqa: S603 (this Python, with a module of ours)
        command,
        env={**_SETTINGS, **os.environ, "PYTHONPATH": path},
        pass_fds=(reading, writing),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModel:
    """A model in a process of its own, as one that is here. `number` is the process's for it, `content` its bytes."""

    process: ModelProcess
    number: int
    content: bytes

    def prove(self, rows: Matrix) -> Scores:
        """Return the scores of some rows; damage that shows only over other values is to end the process by now.

        Raises:
            As `ModelProcess.ask`; ValueError: a row gets another score each time.
        """
        answer = self.process.ask("prove", model=self.number, matrix=packed(rows))
        return np.asarray(unpacked(answer["scores"]), dtype=np.float64)

    def predict(self, matrix: Matrix | npt.NDArray[np.float64]) -> Scores:
        """Return a score per row; by float64 to compare, for models are given float32.

        Raises:
            As `ModelProcess.ask`.
        """
        parts = [self._asked(matrix[at : at + _ROWS])[0] for at in range(0, max(len(matrix), 1), _ROWS)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def seconds_of(self, matrix: Matrix) -> float:
        """Return how long a prediction takes where the model is."""
        return self._asked(matrix)[1]

    def _asked(self, matrix: Matrix | npt.NDArray[np.float64]) -> tuple[Scores, float]:
        answer = self.process.ask("predict", model=self.number, matrix=packed(matrix))
        return np.asarray(unpacked(answer["scores"]), dtype=np.float64), float(answer["seconds"])

    def classes(self, matrix: Matrix) -> Classes | None:
        """Return the probabilities of more than two classes, or None."""
        answers = [self._classes(matrix[at : at + _ROWS]) for at in range(0, max(len(matrix), 1), _ROWS)]
        tables = [unpacked(answer["table"]) for answer in answers if answer["table"] is not None]
        if len(tables) < len(answers):
            return None
        return Classes(labels=np.array(answers[0]["labels"]), table=np.concatenate(tables).astype(np.float64))

    def has_several(self, matrix: Matrix) -> bool:
        """Return whether it distinguishes more than two classes; `matrix` is some row that it takes."""
        return bool(self._classes(matrix)["several"])

    def _classes(self, matrix: Matrix) -> Message:
        return self.process.ask("classes", model=self.number, matrix=packed(matrix))

    def convert(self, kind: str, seen: Matrix, categories: list[int]) -> Converted:
        """Return the model as ONNX, proven equal, or why there is none."""
        answer = self.process.ask(
            "convert", model=self.number, format=kind, content=self.content, matrix=packed(seen), categories=categories
        )
        return Converted(content=bytes(answer["content"]), missing=str(answer["missing"]))


def load_remote(
    process: ModelProcess, kind: str, content: bytes, width: int, *, allow_code: bool = False
) -> RemoteModel:
    """Return a model of so many inputs, loaded in a process; what runs code must be allowed.

    Raises:
        As `ModelProcess.ask`.
    """
    answer = process.ask("load", format=kind, content=content, width=width, allow_code=allow_code)
    return RemoteModel(process=process, number=int(answer["model"]), content=bytes(answer["content"]))
