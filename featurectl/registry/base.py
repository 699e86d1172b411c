"""What every registry can do."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from featurectl.core.erasures import Tombstone
from featurectl.registry.alert_state import AlertLedger
from featurectl.registry.state import CanaryRun, ModelVersion, ObjectVersion, State


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChange:
    """One transaction on a project: objects written (by kind, name, version) and objects no longer current."""

    write: tuple[ObjectVersion, ...] = ()
    retire: tuple[ObjectVersion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """Who changed a project, when, from which commit, and what.

    `plan` is the JSON text of the applied plan; "" where there was none, and in entries older than the column.
    """

    serial: int
    at: datetime
    who: str
    commit: str
    command: str
    summary: str
    plan: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A project's lock: its ID, who holds it, since when (None: not known), and when its lease ends."""

    id: str
    holder: str
    since: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A version of the offline table of `view`@`version` that must stay readable, and for what."""

    view: str
    version: int
    table_version: int
    holder: str


SeenColumns = Mapping[tuple[str, int], Mapping[str, str]]  # by `seen_place` and version: a source's columns, with types


def seen_place(view: str, other: str = "") -> str:
    """Return under which name the columns of a view's source are kept, or those of another one of its transform.

    >>> seen_place("spend"), seen_place("spend", "orders")
    ('spend', 'spend/orders')
    """
    return f"{view}/{other}" if other else view


def lock_holder(who: str, command: str) -> str:
    """Return this process as the holder of a lock: "ana@host, pid 4711, featurectl apply"; a pid is of a host."""
    where = who if "@" in who else f"{who} on {socket.gethostname()}"
    return f"{where}, pid {os.getpid()}, {command}"


class RunLeases(Protocol):
    """Leases by a key: of one holder at a time, who renews his until he gives it back. Methods raise `StoreError`."""

    def take(self, key: str, holder: str, lease_id: str, dead: Collection[str] = ()) -> None:
        """Take a lease under an ID; `dead` are IDs of those whose holders are known to be gone.

        `RunningError` when another holder has it.
        """

    def renew(self, key: str, lease_id: str) -> str:
        """Have a lease end later; returned is who has it instead, "" where it is still of that ID."""

    def end(self, key: str, lease_id: str) -> None:
        """Give a lease back; one that is another's stays."""


class Registry(Protocol):
    """The state of many projects in one database. Every method raises `StoreError` when it can't be reached."""

    def load_state(self, project: str) -> State:
        """Return the state of a project; an unknown one is empty, with serial 0. Never writes a project."""

    def lock(
        self, project: str, holder: str, timeout_s: float = 0.0, waiting: Callable[[str], None] | None = None
    ) -> AbstractContextManager[str]:
        """Hold the project's lock, and give its ID.

        While another command has it, `waiting` hears who, and it is tried again for `timeout_s`; then
        `TryAgainError` names the holder.
        """

    def unlock(self, project: str, lock_id: str) -> Lock:
        """Take a lock away from its holder, who can't write under it any more; `UsageError` when it isn't there."""

    def write_change(self, state: State, change: RegistryChange, entry: HistoryEntry, lock_id: str = "") -> State:
        """Apply a change in one transaction, under the lock of that ID unless it is empty.

        `TryAgainError` when the serial is no longer the state's, or the lock is another's by now.
        """

    def write_model_version(  # noqa: PLR0913  # what is written, and what it must not pass over
        self,
        project: str,
        version: ModelVersion,
        aliases: Sequence[str],
        who: str = "",
        claims: Sequence[str] = (),
        *,
        erased: int | None = None,
    ) -> ModelVersion:
        """Register a model version under the next number (the argument's number is ignored), moving `aliases`.

        Of `claims` it gets those aliases that no version has when it is written. `TryAgainError` when there is a later
        erasure than that of number `erased`, of whose rows the version is not known to be without.
        """

    def write_copied_version(
        self, state: State, version: ModelVersion, moves: Mapping[str, int | None], entry: HistoryEntry
    ) -> None:
        """Register a model version under the number that it has, moving aliases, in one transaction with one `entry`.

        `TryAgainError` when the serial is no longer the state's, in which the number is free.
        """

    def write_aliases(
        self,
        project: str,
        model: str,
        moves: Mapping[str, int | None],
        entry: HistoryEntry,
        seen: Mapping[str, int] | None = None,
    ) -> None:
        """Point aliases of a model at versions of it (None: at none any more), in one transaction with one `entry`.

        `seen` are the model's aliases as they were read; `TryAgainError` when they are others by now.
        """

    def write_alias(self, project: str, model: str, alias: str, version: int, entry: HistoryEntry) -> None:
        """Point one alias of a model at one of its versions."""

    def retire_models(self, state: State, versions: Sequence[ModelVersion], entry: HistoryEntry) -> None:
        """Mark versions of models as retired, in one transaction with one `entry`.

        None of them is `previous` then. `TryAgainError` when the serial is no longer the state's.
        """

    def replace_models(self, state: State, versions: Sequence[ModelVersion], entry: HistoryEntry) -> None:
        """Write what is known of model versions, which has changed, in one transaction with one `entry`.

        `TryAgainError` when the serial is no longer the state's, in which they were found.
        """

    def start_canary(self, project: str, run: CanaryRun, entry: HistoryEntry) -> CanaryRun:
        """Begin a canary under the next number (the argument's is ignored), pointing `challenger` at its version.

        `UsageError` when a version is not there or rejected; `TryAgainError` when one of the model is running, or the
        champion is another by now.
        """

    def decide_canary(self, project: str, decided: CanaryRun, entry: HistoryEntry) -> bool:
        """Write how a canary ended, once, and return whether it was this call that did; the others change nothing.

        It takes `challenger` away, and points `champion` at its version when it is promoted; `TryAgainError` when the
        champion is another by now than the one that it was compared with.
        """

    def read_history(self, project: str) -> Sequence[HistoryEntry]:
        """Return what happened, newest first."""

    def read_last_apply(self, project: str) -> HistoryEntry | None:
        """Return the newest change that was applied from a commit, without its plan; None: there is none."""

    def write_pins(self, project: str, pins: Sequence[Pin]) -> None:
        """Keep versions of offline tables from being vacuumed."""

    def read_pins(self, project: str) -> Sequence[Pin]:
        """Return what is kept."""

    def remove_pins(self, project: str, view: str, version: int, table_versions: Sequence[int] | None = None) -> None:
        """Keep the tables of a view version no longer for the manifests that name them."""

    def write_view_columns(self, project: str, seen: SeenColumns) -> None:
        """Keep the types of columns that the definitions of view versions do not say; the project's serial stays."""

    def read_view_columns(self, project: str) -> SeenColumns:
        """Return what is kept."""

    def erasure_secret(self, project: str, *, make: bool = True) -> bytes:
        """Return the secret that the hashes of erased keys are made with, made when there is none (else: empty)."""

    def write_tombstones(self, project: str, items: Sequence[Tombstone], entry: HistoryEntry) -> tuple[Tombstone, ...]:
        """Write tombstones under later numbers, as of now by the registry's clock, in one transaction with `entry`.

        A key may have several: the newest says until when it is erased. Returned are those written.
        """

    def finish_erasures(self, project: str, numbers: Sequence[int]) -> None:
        """Take note that what can be reached of some tombstones' rows is removed; the project's serial stays."""

    def newest_erasure(self, project: str) -> int:
        """Return the number of the newest tombstone, 0 where there is none."""

    def clock(self) -> datetime:
        """Return the time by the clock that all share who use the registry."""

    def alerts(self, project: str, environment: str) -> AlertLedger:
        """Return the alerts of a project's environment."""

    def leases(self) -> RunLeases:
        """Return the leases of what runs for long, one at a time."""

    def close(self) -> None:
        """Give back connections."""
