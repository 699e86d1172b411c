"""How long work reports what it is doing; the command line draws it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Notified of units of work as they begin and end."""

    def start(self, label: str) -> None:
        """A unit of work begins; it ends with the next `done` or `start`."""

    def advance(self, done: int, total: int | None, what: str) -> None:
        """So many rows, buckets, ... (`what`, in the plural) of the unit are done, of so many (None: not known)."""

    def done(self, text: str) -> None:
        """A unit of work has ended; `text` says what came of it, empty: nothing to report."""


class Silent:
    """A progress that is reported to nobody."""

    def start(self, label: str) -> None:
        """Do nothing."""

    def advance(self, done: int, total: int | None, what: str) -> None:
        """Do nothing."""

    def done(self, text: str) -> None:
        """Do nothing."""
