"""Erase the rows of one key of an entity, and keep them away; or do it over for all that were erased.

1. A tombstone is written to the registry. From then on no row of the key comes in, and none is shown.
2. Each place removes what it has. What fails does not keep the others; what was killed is done over by `again`.
3. The registry takes note that nothing is left, unless something may be that the key's value alone would find.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from featurectl.core.erasures import SECRET_BYTES, Erasures, KeyPart, Tombstone, key_digest, key_text
from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.core.progress import Progress
from featurectl.core.units import SECOND_US, counted, format_age, format_bytes
from featurectl.erasure.all_places import PLACES
from featurectl.erasure.base import ErasurePlace, ErasureRequest, PlaceFindings
from featurectl.erasure.out_of_reach import out_of_reach
from featurectl.operations.entity_values import parse_entity, shown_entity
from featurectl.operations.part_failure import Failure
from featurectl.pit.erased_rows import quick_hash
from featurectl.registry.applied import not_applied
from featurectl.registry.base import HistoryEntry
from featurectl.registry.state import State
from featurectl.workspace.actor import current_actor
from featurectl.workspace.applied_workspace import AppliedWorkspace, read_applied
from featurectl.workspace.workspace import Workspace

_BYTES_A_SECOND: Final = 50 << 20  # that are read and written anew: see decision 106


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureOrder:
    """Whose rows are to go: those of an entity's key, as `KEY=VALUE` words; with `again` those of all erased keys."""

    entity: str = ""
    keys: tuple[str, ...] = ()
    again: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReport:
    """What was removed, or would be, place by place, and what is out of reach.

    `keys` are the names of the keys that were given. `until` is the instant of the tombstone: what happens later, and
    becomes known later, comes in as that of anybody else; None where there is none: in a dry run, and where it was
    done over. `failures` did not keep the other places.
    """

    entity: str
    keys: tuple[str, ...]
    until: datetime | None
    found: Sequence[PlaceFindings]
    out_of_reach: tuple[str, ...]
    failures: tuple[Failure, ...] = ()


def erase_rows(workspace: Workspace, order: ErasureOrder, progress: Progress) -> ErasureReport:
    """Return what was removed of an entity's key, or would be.

    Raises:
        UsageError: there is no such entity or key, or a value does not fit; nothing was erased that could be again.
        CheckFailedError: nothing is applied.
        StoreError: the registry can't be read or written.
    """
    state = workspace.applied_state()
    if order.again:
        return _again(workspace, state, order, progress)
    keys = _entity_keys(state, order.entity)
    values = _parsed(order, keys)
    if order.dry_run:
        known = workspace.registry().erasure_secret(workspace.project, make=False)
        secret = known or secrets.token_bytes(SECRET_BYTES)
        tombstone = _tombstone(order.entity, values, secret, workspace.registry().clock(), state.erasures.number + 1)
    else:
        secret = workspace.registry().erasure_secret(workspace.project)
        unwritten = _tombstone(order.entity, values, secret, workspace.registry().clock())
        [tombstone] = workspace.registry().write_tombstones(
            workspace.project, [unwritten], _entry(workspace, unwritten)
        )
    target = read_applied(workspace, progress)
    request = ErasureRequest(
        target=_knowing(target, secret, tombstone) if order.dry_run else target,
        erasures=Erasures(secret=secret, tombstones=(tombstone,)),
        values={tombstone.number: values},
        progress=progress,
    )
    found, failures = _work(request, progress, dry_run=order.dry_run)
    return ErasureReport(
        entity=order.entity,
        keys=tombstone.keys,
        until=None if order.dry_run else tombstone.at,
        found=found,
        out_of_reach=out_of_reach(workspace, state, [tombstone]),
        failures=failures,
    )


def _knowing(target: AppliedWorkspace, secret: bytes, tombstone: Tombstone) -> AppliedWorkspace:
    """Return an environment as it is once a tombstone is written: streams look for what the state knows of."""
    known = Erasures(secret=secret, tombstones=(*target.state.erasures.tombstones, tombstone))
    return replace(target, state=replace(target.state, erasures=known))


def _again(workspace: Workspace, state: State, order: ErasureOrder, progress: Progress) -> ErasureReport:
    """Do it over for all tombstones, by hashes: after a restore, or a run that was cut."""
    if order.entity or order.keys:
        raise UsageError("--again takes no entity: it is for all that was erased", hint="featurectl erase --again")
    if not state.erasures:
        raise UsageError(f"nothing was erased in project {workspace.project}", hint="featurectl erase ENTITY KEY=VALUE")
    target = read_applied(workspace, progress)
    request = ErasureRequest(target=target, erasures=state.erasures, progress=progress)
    found, failures = _work(request, progress, dry_run=order.dry_run)
    reach = out_of_reach(workspace, state, state.erasures.tombstones)
    return ErasureReport(entity="", keys=(), until=None, found=found, out_of_reach=reach, failures=failures)


def _work(
    request: ErasureRequest, progress: Progress, *, dry_run: bool
) -> tuple[list[PlaceFindings], tuple[Failure, ...]]:
    """Look at all places, say how much there is, and remove it unless it is a dry run."""
    failures: list[Failure] = []
    found = _each_place(progress, failures, "look at", lambda place: place.look(request))
    if dry_run:
        return found, tuple(failures)
    size = sum(item.rewritten for item in found)
    takes = f", in about {format_age(size * SECOND_US // _BYTES_A_SECOND)}" if size >= _BYTES_A_SECOND else ""
    progress.done(f"{counted(len(found), 'place')} to clean, {format_bytes(size)} to rewrite{takes}")
    failures.clear()  # what can't be looked at can't be cleaned, and says so again
    removed = _each_place(progress, failures, "erase", lambda place: place.erase(request))
    if not failures:
        left = frozenset[int]().union(*(item.unfinished for item in removed))
        numbers = [item.number for item in request.erasures.tombstones if item.number not in left]
        request.target.workspace.registry().finish_erasures(request.target.workspace.project, numbers)
    return removed, tuple(failures)


def _each_place(
    progress: Progress,
    failures: list[Failure],
    verb: str,
    act: Callable[[ErasurePlace], Sequence[PlaceFindings]],
) -> list[PlaceFindings]:
    found: list[PlaceFindings] = []
    for name, place in PLACES.items():
        progress.start(f"{verb} {name}")
        try:
            found += act(place())
        except FeaturectlError as error:
            failures.append(Failure(part=name, error=error))
        progress.done("")
    return found


def _entity_keys(state: State, name: str) -> Mapping[str, str]:
    """Return the keys of an entity that is applied, or was, and their types, in their order."""
    if not name:
        raise UsageError("whose rows? name an entity and its key", hint="featurectl erase ENTITY KEY=VALUE")
    versions = [item for item in state.objects if item.kind == "entity" and item.name == name]
    if not versions:
        raise not_applied(state, "entity", name)
    newest = max(versions, key=lambda item: (item.current, item.version))
    keys = newest.definition["keys"]
    assert isinstance(keys, Mapping)
    return {str(key): str(dtype) for key, dtype in keys.items()}


def _parsed(order: ErasureOrder, keys: Mapping[str, str]) -> dict[str, KeyPart]:
    """Return the values of some or all keys of the entity, in its order."""
    names = [word.partition("=")[0] for word in order.keys]
    wanted = " ".join(f"{name}={dtype.upper()}" for name, dtype in keys.items())
    if not names:
        raise UsageError(f"which {order.entity}? no key is given", hint=f"keys: {wanted}")
    if unknown := [name for name in names if name not in keys]:
        hint = f"{did_you_mean(unknown[0], keys)} keys: {wanted}".strip()
        raise UsageError(f"entity {order.entity} has no key {unknown[0]!r}", hint=hint)
    chosen = {name: dtype for name, dtype in keys.items() if name in names}
    shown = shown_entity(chosen, parse_entity(chosen, order.keys))
    if empty := [name for name, value in shown.items() if value == ""]:
        raise UsageError(f"key {empty[0]} is empty: whose rows?", hint=f"keys: {wanted}")
    return {name: value for name, value in shown.items() if isinstance(value, KeyPart)}


def _tombstone(entity: str, values: Mapping[str, KeyPart], secret: bytes, at: datetime, number: int = 0) -> Tombstone:
    return Tombstone(
        number=number,
        entity=entity,
        keys=tuple(values),
        digest=key_digest(secret, values.values()),
        quick=quick_hash(secret, [key_text(value) for value in values.values()]),
        at=at,
    )


def _entry(workspace: Workspace, tombstone: Tombstone) -> HistoryEntry:
    """Return what the history says: which keys of which entity, not their values."""
    actor = current_actor(workspace.root)
    summary = f"one {tombstone.entity} by {', '.join(tombstone.keys)}"
    return HistoryEntry(serial=0, at=actor.at, who=actor.who, commit=actor.commit, command="erase", summary=summary)
