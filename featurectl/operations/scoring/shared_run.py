"""A run of `score` in several parts: what it saw when it began, and the scores of all, where each part finds them.

Below the offline location, which all processes of an environment share, the parts of one output have a folder:

    <offline>/<project>/score-parts/<env>/<output>/begun/<number>.json      what a run saw; who writes it begins it
                                                  /<run>/<start>-<rows>.npz scores of rows
                                                  /<run>/commit.json        which part writes the output
                                                  /<run>/committed          it is written

A run is never changed into another: what is begun anew has the next number, and a folder of a random name. Nothing of
the output is there before all parts are done; who finds that they are claims the commit, and of all who do so at once
one has it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any, Final

import numpy as np

from featurectl.core.documents import parse_json
from featurectl.core.errors import StoreError
from featurectl.models.runtimes.base import Scores
from featurectl.offline.plain_files import LooseFiles
from featurectl.operations.scoring.checkpoint import KEPT_FOR, ScoreBeginning, beginning_document, load_beginning
from featurectl.operations.training.unknown_keys import UnknownRows

_BEGUN, _COMMIT, _COMMITTED = "begun", "commit.json", "committed"
_NUMBER: Final = re.compile(r"(\d{6})\.json")
_RANGE: Final = re.compile(r"(\d{15})-(\d+)\.npz")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsBeginning:
    """What the parts of a run have to share: its name, what it saw, the version that scores, and its arguments."""

    run: str = field(default_factory=lambda: secrets.token_hex(8))

    saw: ScoreBeginning
    version: int
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRange:
    """A file with the scores of some rows."""

    path: str
    start: int
    rows: int


class SharedRun:
    """The runs of one output in parts, of which the newest counts."""

    def __init__(self, files: LooseFiles, folder: str) -> None:
        self._files, self._folder = files, folder
        self._number = 0
        self.begun: PartsBeginning | None = None

    def join(self, clock: datetime, *, is_once: bool = False) -> PartsBeginning | None:
        """Return how the run began that goes on, and work on it; None: none does, or one that is too old to go on.

        `is_once`: the output is of one run alone, which is joined when it has ended, too.

        Raises:
            StoreError: FC603, the place can't be read.
        """
        self._number = max(begun_numbers(self._files, self._folder), default=0)
        self.begun = read_beginning(self._files, self._folder, self._number)
        is_old = self.begun is not None and self.begun.saw.begun_at < clock - KEPT_FOR
        if self.begun is None or is_old or (self.is_committed() and not is_once):
            self.begun = None
        return self.begun

    def begin(self, begun: PartsBeginning) -> bool:
        """Begin a run behind the newest; False: another part has done so meanwhile, and that run is to be joined.

        Raises:
            StoreError: FC603, the place can't be written.
        """
        document = {"run": begun.run, "saw": beginning_document(begun.saw), "version": begun.version}
        content = json.dumps({**document, "arguments": begun.arguments}).encode()
        if not self._files.claim(_begun_path(self._folder, self._number + 1), content):
            return False
        self._number += 1
        self.begun = begun
        self._forget_older()
        return True

    def is_there(self) -> bool:
        """Return whether the run is still the one that counts: neither begun anew, nor given up for an erasure."""
        newest = max(begun_numbers(self._files, self._folder), default=0)
        found = read_beginning(self._files, self._folder, newest)
        return found is not None and self.begun is not None and found.run == self.begun.run

    def give_up(self) -> None:
        """Remove the scores of a run that counts no more: a part may have written some after that.

        Raises:
            StoreError: FC603, the place can't be written.
        """
        self._files.remove(self._path("").rstrip("/"))

    def add(self, start: int, scores: Scores, unknown: UnknownRows) -> None:
        """Write the scores of the rows from `start` on, with how many of them have unknown keys.

        Raises:
            StoreError: FC603, the place can't be written.
        """
        counts = json.dumps([[list(columns), count] for columns, count in unknown.items() if count]).encode()
        content = BytesIO()
        np.savez(content, scores=scores, unknown=np.frombuffer(counts, dtype=np.uint8))
        self._files.write(self._path(f"{start:015}-{len(scores)}.npz"), content.getvalue())

    def ranges(self) -> list[ScoredRange]:
        """Return the files of scores that are there, by their rows."""
        found = []
        for path, _ in self._files.listed(self._path("").rstrip("/")):
            if match := _RANGE.fullmatch(path.rpartition("/")[2]):
                found.append(ScoredRange(path=path, start=int(match[1]), rows=int(match[2])))
        return sorted(found, key=lambda item: (item.start, item.rows))

    def read(self, item: ScoredRange) -> tuple[Scores, UnknownRows]:
        """Return the scores of a file, and how many of the rows have unknown keys.

        Raises:
            StoreError: FC603, it is gone, or holds none.
        """
        content = self._files.read(item.path)
        try:
            with np.load(BytesIO(content or b""), allow_pickle=False) as arrays:
                scores, counts = arrays["scores"], parse_json(arrays["unknown"].tobytes().decode())
            unknown = UnknownRows({tuple(columns): int(count) for columns, count in counts})
        except (ValueError, LookupError, OSError, EOFError, TypeError) as error:
            message = f"{item.path} holds no scores"
            raise StoreError(message, code="FC603", hint="--restart begins all parts anew") from error
        return scores, unknown

    def claim_commit(self, part: int) -> int:
        """Return which part writes the output: this one, unless another has claimed it.

        What a process of this part has claimed that was killed is this one's.

        Raises:
            StoreError: FC603, the place can't be read or written.
        """
        path = self._path(_COMMIT)
        if self._files.claim(path, json.dumps({"part": part}).encode()):
            return part
        try:
            return int(parse_json((self._files.read(path) or b"").decode())["part"])
        except (ValueError, LookupError, TypeError) as error:
            message = f"{path} does not say which part writes the output"
            raise StoreError(message, code="FC603", hint="--restart begins all parts anew") from error

    def end(self) -> None:
        """Say that the output is written, and remove the scores.

        Raises:
            StoreError: FC603, the place can't be written.
        """
        self._files.write(self._path(_COMMITTED), b"")
        self._files.remove_files([item.path for item in self.ranges()])

    def is_committed(self) -> bool:
        """Return whether the output is written."""
        return self._files.written(self._path(_COMMITTED)) is not None

    def _forget_older(self) -> None:
        for number in begun_numbers(self._files, self._folder):
            if number < self._number:
                if older := read_beginning(self._files, self._folder, number):
                    self._files.remove(f"{self._folder}/{older.run}")
                self._files.remove_files([_begun_path(self._folder, number)])

    def _path(self, name: str) -> str:
        assert self.begun is not None
        return f"{self._folder}/{self.begun.run}/{name}"


def begun_numbers(files: LooseFiles, folder: str) -> list[int]:
    """Return the numbers of the runs of an output that have begun."""
    names = [path.rpartition("/")[2] for path, _ in files.listed(f"{folder}/{_BEGUN}")]
    return sorted(int(match[1]) for name in names if (match := _NUMBER.fullmatch(name)))


def read_beginning(files: LooseFiles, folder: str, number: int) -> PartsBeginning | None:
    """Return how the run of an output with a number began; None where there is none, or nothing says so."""
    content = files.read(_begun_path(folder, number))
    try:
        document: dict[str, Any] = parse_json((content or b"").decode())
        saw = load_beginning(json.dumps(document["saw"]))
        run, version, arguments = str(document["run"]), int(document["version"]), dict(document["arguments"])
    except (ValueError, LookupError, TypeError):
        return None
    return None if saw is None else PartsBeginning(run=run, saw=saw, version=version, arguments=arguments)


def _begun_path(folder: str, number: int) -> str:
    return f"{folder}/{_BEGUN}/{number:06}.json"


def first_missing(ranges: Sequence[ScoredRange], rows: range) -> int:
    """Return the first row of some that has no score; their end when all have.

    >>> files = [ScoredRange(path="a", start=0, rows=5), ScoredRange(path="b", start=5, rows=5)]
    >>> first_missing(files, range(3, 9)), first_missing(files, range(3, 12)), first_missing([], range(3, 9))
    (9, 10, 3)
    """
    at = rows.start
    for item in ranges:
        if item.start <= at:
            at = max(at, item.start + item.rows)
    return min(at, rows.stop)


def parts_folder(location: str, project: str, environment: str) -> tuple[str, str]:
    """Return the offline location, and below it the folder of the runs in parts of an environment."""
    return location, f"{project}/score-parts/{environment}"


def output_folder(parent: str, output: Mapping[str, object]) -> str:
    """Return the folder of an output's runs in parts."""
    digest = hashlib.sha256(json.dumps(output, sort_keys=True).encode()).hexdigest()[:16]
    return f"{parent}/{digest}"


def old_folders(files: LooseFiles, parent: str, instant: datetime) -> Iterator[str]:
    """Give the folders of outputs whose newest run began until an instant.

    So is one of no run, in which a part has left scores whose run was given up meanwhile.
    """
    for name in files.folders(parent):
        newest = max(begun_numbers(files, f"{parent}/{name}"), default=0)
        found = read_beginning(files, f"{parent}/{name}", newest)
        is_left = not newest and any(path.endswith(".npz") for path, _ in files.listed(f"{parent}/{name}"))
        if is_left or (found is not None and found.saw.begun_at <= instant):
            yield f"{parent}/{name}"
