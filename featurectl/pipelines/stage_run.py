"""A stage's command as a process: started, looked at, ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_GUARD: Final = Path(__file__).with_name("guard.py")
_SIGNAL: Final = 128  # of exit codes: more are numbers of signals
_LAST_BYTES: Final = 4_000
_LAST_LINES: Final = 8
_MOST_READ: Final = 1 << 20  # of a log at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """Where the files of a run are: per stage and attempt, and per part of it, what it wrote and how it ended."""

    path: Path

    def log(self, stage: str, attempt: int, part: int = 0) -> Path:
        """Return the file of what an attempt writes."""
        return self.path / f"{self._name(stage, attempt, part)}.log"

    def result(self, stage: str, attempt: int, part: int = 0) -> Path:
        """Return the file of the exit code of an attempt."""
        return self.path / f"{self._name(stage, attempt, part)}.exit"

    def has_succeeded(self, stage: str, parts: int) -> bool:
        """Return whether any attempt of a stage has ended well in all its parts."""
        attempts = {int(path.name.split(".")[1]) for path in self.path.glob(f"{stage}.*.exit")}
        numbers = range(1, parts + 1) if parts > 1 else (0,)
        return any(all(read_result(self.result(stage, n, part)) == 0 for part in numbers) for n in attempts)

    @staticmethod
    def _name(stage: str, attempt: int, part: int) -> str:
        return f"{stage}.{attempt}" + (f".{part}" if part else "")


def read_result(path: Path) -> int | None:
    """Return the exit code that a file holds; None where there is none yet."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tether:
    """What ties stages to the process that runs them: a pipe that closes with it, and the lock that they hold on.

    `grace_s` is what they have between TERM and KILL.
    """

    life: int
    lock: int
    grace_s: float = 10.0


class StageRun:
    """One command that runs under a guard, which ends it when this process is gone."""

    def __init__(self, command: Sequence[str], log: Path, result: Path) -> None:
        self._command, self._log, self._result = list(command), log, result
        self._guard: subprocess.Popen[bytes] | None = None
        self._read, self._rest = 0, b""

    def start(self, tether: Tether, folder: Path, environ: Mapping[str, str]) -> None:
        """Start it in a folder."""
        words = [str(tether.life), str(tether.lock), str(self._result), str(tether.grace_s)]
        with self._log.open("wb") as log:
            self._guard = subprocess.Popen(  # noqa: S603 (our own program; the command is checked when it is applied)
                [sys.executable, "-I", "-S", str(_GUARD), *words, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=dict(environ),
                pass_fds=(tether.life, tether.lock),
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """Return the exit code, less than 0 for a signal; None while it runs."""
        assert self._guard is not None
        if self._guard.poll() is None:
            return None
        code, ended = read_result(self._result), self._guard.returncode
        if code is not None:
            return code
        return ended if ended <= _SIGNAL else _SIGNAL - ended  # less than 0: the guard itself was killed

    def end(self) -> None:
        """Have it ended: TERM for its group, and KILL after a grace."""
        assert self._guard is not None
        with suppress(ProcessLookupError):
            self._guard.terminate()

    def new_lines(self, *, whole: bool = False) -> list[str]:
        """Return the lines that it has written since; with `whole` the last one, too, that has no end."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(self._read)
            found = log.read(_MOST_READ)
            self._read += len(found)
            *lines, self._rest = (self._rest + found).split(b"\n")
            if whole and self._rest:
                lines, self._rest = [*lines, self._rest], b""
            return [_last_drawn(line) for line in lines]
        return []

    def last_lines(self) -> str:
        """Return the last lines that it wrote."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(os.fstat(log.fileno()).st_size - _LAST_BYTES, 0))
            lines = [_last_drawn(line).rstrip() for line in log.read().split(b"\n")]
            return "\n".join([line for line in lines if line][-_LAST_LINES:])
        return ""


def _last_drawn(line: bytes) -> str:
    """Return a line as a terminal would show it in the end: what stands behind its last return."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
