"""What every registry can do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from featurectl.registry.state import ModelVersion, ObjectVersion, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One transaction on a project: objects written (by kind, name, version) and objects no longer current."""

    write: tuple[ObjectVersion, ...] = ()
    retire: tuple[ObjectVersion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """Who changed a project, when, from which commit, and what."""

    serial: int
    at: datetime
    who: str
    commit: str
    command: str
    summary: str


class Registry(Protocol):
    """The state of many projects in one database. Every method raises `StoreError` when it can't be reached."""

    def load_state(self, project: str) -> State:
        """Return the state of a project; an unknown one is empty, with serial 0. Never writes a project."""

    def lock(self, project: str, holder: str) -> AbstractContextManager[None]:
        """Hold the project's lock; `TryAgainError` names the holder when another command has it."""

    def write_change(self, state: State, change: Change, entry: HistoryEntry) -> State:
        """Apply a change in one transaction; `TryAgainError` when the serial is no longer the state's."""

    def write_model_version(self, project: str, version: ModelVersion, aliases: Sequence[str]) -> ModelVersion:
        """Register a model version under the next number (the argument's number is ignored), moving `aliases`."""

    def write_alias(self, project: str, model: str, alias: str, version: int) -> None:
        """Point an alias of a model at one of its versions."""

    def read_history(self, project: str) -> Sequence[HistoryEntry]:
        """Return what happened, newest first."""

    def close(self) -> None:
        """Give back connections."""
