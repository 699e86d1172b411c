"""What every part of a project's Python API begins with: a repository, an environment, an instant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from featurectl.api.frames import FrameKind
from featurectl.api.progress import open_progress
from featurectl.api.wording import SpeaksPython
from featurectl.core.errors import ProblemsError, UsageError
from featurectl.core.progress import Progress
from featurectl.core.units import missing_day, parse_duration, parse_instant
from featurectl.language.texts import texts_of_files
from featurectl.online.client.clients import warn_caller
from featurectl.workspace.open import Data, open_workspace
from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ProjectBase(SpeaksPython):
    """A repository and one of its environments.

    `frames` is the kind of frame that methods return where they were given none; `progress` None: it is shown in a
    notebook alone.
    """

    root: Path
    env: str | None = None
    as_of: datetime | None = None
    frames: FrameKind = "polars"
    progress: bool | None = None

    def workspace(self, data: Data = "if there") -> Workspace:
        """Return the repository with its stores, to be closed."""
        try:
            return open_workspace(self.root, self.env, self.as_of, data)
        except ProblemsError as error:
            error.hint = error.hint or "project.validate() has them as a table"
            raise

    def open_progress(self) -> Progress:
        """Return where work is reported."""
        return open_progress(self.progress, self._in_python)

    def _users_texts(self) -> Iterable[str]:
        return texts_of_files(self.root)

    def _warn(self, sentences: Iterable[str], method: str) -> None:
        """Warn the caller of a method, at the caller's own line."""
        warn_caller((self._in_python(text, method) for text in sentences), UserWarning)


def instant_of(value: datetime | str | None) -> datetime | None:
    """Return an instant as it was given, or as a text.

    Raises:
        UsageError: it is none, or has no time zone.
    """
    if value is None:
        return None
    found: object = parse_instant(value) if isinstance(value, str) else value  # callers need not keep to the type
    if not isinstance(found, datetime) or found.tzinfo is None:
        problem = f"{value!s} has no time zone" if isinstance(found, datetime) else f"{value!s} is not an instant"
        raise UsageError(missing_day(str(value)) or problem, hint="write it like 2013-06-01T00:00:00Z")
    return found


def length_of(value: str | timedelta, argument: str) -> timedelta:
    """Return a length of time as it was given, or as a text such as "7d".

    Raises:
        UsageError: it is none.
    """
    found: object = value  # callers need not keep to the type
    if isinstance(found, str):
        microseconds = parse_duration(found)
        found = None if microseconds is None else timedelta(microseconds=microseconds)
    if not isinstance(found, timedelta) or found <= timedelta(0):
        raise UsageError(f"{argument}={value!r} is no length of time", hint="write it like 2h or 7d")
    return found


def texts_of(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return texts of one or several.

    Raises:
        UsageError: it is neither.
    """
    given: object = value  # callers need not keep to the type
    texts = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(f"{value!r} is no name and no list of names")
    return texts
