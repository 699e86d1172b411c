"""The scores of a run in files as they are made, so that a run that was killed is continued where it was."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from featurectl.core.disk_room import write_failure
from featurectl.core.documents import parse_json
from featurectl.core.errors import TryAgainError, UsageError
from featurectl.core.units import format_iso, parse_instant
from featurectl.language.syntax.own_files import why_no_output
from featurectl.models.runtimes.base import Scores
from featurectl.operations.training.unknown_keys import UnknownRows

KEPT_FOR: Final = timedelta(hours=12)
_BEGUN: Final = "begun.json"
_LOCK: Final = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBeginning:
    """What a run saw when it began, which its continuation has to see again.

    `begun_at` is when that was by the clock, `known_at` its now, `tables` the versions of the views' tables by
    `view@version`, `rows` and `spine` the height and the digest of its spine.
    """

    begun_at: datetime
    known_at: datetime
    tables: Mapping[str, int]
    rows: int
    spine: str


class ScoreCheckpoint:
    """The folder of one request. `begun` is None in a new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.begun = _read_begun(folder / _BEGUN)

    def begin(self, begun: ScoreBeginning) -> None:
        """Keep what the run saw; scores of another run are dropped.

        Raises:
            UsageError: it can't be written.
        """
        self.clear()
        document = beginning_document(begun)
        _write(self._folder / _BEGUN, lambda file: file.write(json.dumps(document).encode()))
        self.begun = begun

    def done(self) -> list[Path]:
        """Return the files of scores without a gap from the first row on."""
        found, end = [], 0
        for file in sorted(self._folder.glob("*.npy")):
            start, rows = (int(part) for part in file.stem.split("-"))
            if start != end:
                break
            found.append(file)
            end += rows
        return found

    def add(self, start: int, scores: Scores, unknown: UnknownRows) -> Path:
        """Write the scores of the rows from `start` on, whole or not at all, and return the file.

        Beside it is how many of the rows have unknown keys, where any has.

        Raises:
            UsageError: it can't be written.
        """
        path = self._folder / f"{start:015}-{len(scores)}.npy"
        if any(unknown.values()):
            counts = json.dumps([[list(columns), count] for columns, count in unknown.items()]).encode()
            _write(_unknown_of(path), lambda file: file.write(counts))
        content = BytesIO()  # into a file numpy writes by itself, and does not hear of a disk that is full
        np.save(content, scores, allow_pickle=False)
        _write(path, lambda file: file.write(content.getbuffer()))
        return path

    def clear(self) -> None:
        """Drop what is there."""
        for file in self._folder.iterdir():
            if file.name != _LOCK:
                file.unlink()
        self.begun = None


def rows_of(file: Path) -> int:
    """Return how many scores a file has.

    >>> rows_of(Path("000000000100000-20.npy"))
    20
    """
    return int(file.stem.partition("-")[2])


def read_unknown(files: Iterable[Path]) -> UnknownRows:
    """Return how many rows have unknown keys, of those whose scores some files have.

    Raises:
        UsageError: what is kept of it can't be read.
    """
    unknown = UnknownRows()
    for path in (found for file in files if (found := _unknown_of(file)).exists()):
        try:
            unknown.update({tuple(columns): int(count) for columns, count in parse_json(path.read_text("utf-8"))})
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{path} holds no counts of rows", hint="--restart begins anew") from error
    return unknown


def _unknown_of(file: Path) -> Path:
    return file.with_suffix(".unknown")


def read_scores(file: Path) -> Scores:
    """Return the scores of a file.

    Raises:
        UsageError: it does not hold any.
    """
    try:
        scores: Scores = np.load(file, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise UsageError(f"{file} holds no scores", hint="--restart begins anew") from error
    return scores


@contextmanager
def open_checkpoint(parent: Path, request: Mapping[str, object], clock: datetime) -> Iterator[ScoreCheckpoint]:
    """Give the folder of a request, for this process alone; it is removed when the body ends well.

    One that nobody uses and that began more than half a day before `clock` is emptied: what it saw is too old.

    Raises:
        TryAgainError: another process works on the same request.
        UsageError: the folder can't be written, or a link of a repository leads out of it.
    """
    name = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()[:16]
    folder = parent / name
    if reason := why_no_output(folder):
        raise UsageError(f"{folder}, where scores are kept, is not written: {reason}", hint="remove the link")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        raise write_failure(f"{parent} can't be written", error) from error
    try:
        _take(lock, folder / _LOCK, request)
        _forget_others(parent, folder, clock)
        checkpoint = ScoreCheckpoint(folder)
        if checkpoint.begun is None or checkpoint.begun.begun_at < clock - KEPT_FOR:
            checkpoint.clear()
        try:
            yield checkpoint
        except BaseException:
            if not checkpoint.done():  # nothing to go on with
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def begun_before(parent: Path, instant: datetime) -> list[Path]:
    """Return the folders of runs that began until an instant: their scores may be of rows that were there then."""
    if not parent.is_dir():
        return []
    seen = ((folder, _read_begun(folder / _BEGUN)) for folder in sorted(parent.iterdir()))
    return [folder for folder, begun in seen if begun is not None and begun.begun_at <= instant]


def forget_unused(folder: Path) -> bool:
    """Remove the folder of a run that nobody works on, and return whether it is gone."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return not folder.exists()
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _take(lock: int, path: Path, request: Mapping[str, object]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.stat()  # the other may have ended in between, and taken the folder away
    except OSError as error:
        raise TryAgainError(f"another process scores the same rows into {request['out']}") from error


def _forget_others(parent: Path, own: Path, clock: datetime) -> None:
    """Remove folders of runs that were killed long ago and are not continued."""
    for folder in parent.iterdir():
        begun = _read_begun(folder / _BEGUN) if folder != own else None
        if begun is None or begun.begun_at >= clock - KEPT_FOR:
            continue
        forget_unused(folder)


def beginning_document(begun: ScoreBeginning) -> dict[str, object]:
    """Return what a run saw, ready for JSON."""
    return {
        "begun_at": format_iso(begun.begun_at),
        "known_at": format_iso(begun.known_at),
        "tables": dict(begun.tables),
        "rows": begun.rows,
        "spine": begun.spine,
    }


def _read_begun(path: Path) -> ScoreBeginning | None:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    return load_beginning(content)


def load_beginning(content: str) -> ScoreBeginning | None:
    """Return what a document says that a run saw; None where it is none."""
    try:
        document: dict[str, Any] = parse_json(content)
        begun_at, known_at = (parse_instant(document[name]) for name in ("begun_at", "known_at"))
        tables = {str(label): int(version) for label, version in document["tables"].items()}
        rows, spine = int(document["rows"]), str(document["spine"])
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None
    if begun_at is None or known_at is None:
        return None
    return ScoreBeginning(begun_at=begun_at, known_at=known_at, tables=tables, rows=rows, spine=spine)


def _write(path: Path, put: Callable[[IO[bytes]], object]) -> None:
    beside = path.with_suffix(".part")
    try:
        beside.unlink(missing_ok=True)  # of a run that was killed, or a link
        with beside.open("xb") as file:
            put(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise write_failure(f"{path.parent}, where scores are kept, can't be written", error) from error
