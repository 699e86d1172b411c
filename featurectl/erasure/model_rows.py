"""Rows of erased keys that stand beside models: those that a version was judged on, and its golden rows.

Of golden rows there is a hash of each key alone, which is found where the key is known; versions of before there were
such hashes keep theirs, which is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import DataError, TryAgainError
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.erasure.model_keys import EntityColumns, key_columns
from featurectl.models.artifact import read_artifact, write_artifact
from featurectl.models.golden_rows import GOLDEN, places_of, without_places
from featurectl.models.validation_rows import (
    VALIDATION_FORMAT,
    dump_validation_rows,
    load_validation_rows,
    without_rows,
)
from featurectl.offline.open_plain_files import open_loose
from featurectl.pit.erased_rows import ErasedRows
from featurectl.registry.base import HistoryEntry
from featurectl.registry.state import ModelVersion
from featurectl.workspace.actor import current_actor

_TIME: Final = "\x00time"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cleaned:
    """What a version has of erased keys: its files without it (None: it stays), how many rows, and what is said."""

    version: ModelVersion
    judged: bytes | None = None
    golden: bytes | None = None
    rows: int = 0
    size: int = 0
    notes: tuple[str, ...] = ()


class ModelRowsPlace:
    """Validation rows and golden rows of all model versions, retired ones too: a finding for each version."""

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many rows there are of erased keys."""
        return [_finding(item) for item in _each(request)]

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Write the files anew without them, have the registry name these, and remove those of before."""
        found = list(_each(request))
        location = request.target.workspace.offline_location()
        changed = {_place_of(item.version): _stored(item, location) for item in found if item.rows}
        if changed:
            _register(request, changed)
            _remove_others([item.version for item in found if item.rows], request)
        return [_finding(item) for item in found]


def _each(request: ErasureRequest) -> Iterator[_Cleaned]:
    location, state = request.target.workspace.offline_location(), request.target.state
    for version in state.model_versions:
        entities = key_columns(version, state)
        try:
            judged, rows, size = _judged(request, version, entities, location)
            golden, more, notes = _golden(request, version, entities, location)
        except DataError as error:  # a file that is gone has no rows
            yield _Cleaned(version=version, notes=(error.message,))
            continue
        if rows or more or notes:
            yield _Cleaned(version=version, judged=judged, golden=golden, rows=rows + more, size=size, notes=notes)


def _judged(
    request: ErasureRequest, version: ModelVersion, entities: EntityColumns, location: str
) -> tuple[bytes | None, int, int]:
    """Return the rows that a version was judged on without those of erased keys, how many these are, and the bytes."""
    if not version.judged or not any(request.erasures.of(entity) for entity in entities):
        return None, 0, 0
    content = read_artifact(location, version.judged, version.judged_sha256)
    rows = load_validation_rows(content)
    table = rows.spine.with_columns(rows.time.alias(_TIME))
    gone = None
    for entity, columns in ((entity, columns) for entity, several in entities.items() for columns in several):
        if all(column in table.columns for column in columns.values()):
            found = ErasedRows(erasures=request.erasures, entity=entity, columns=columns).are(table, _TIME)
            gone = found if gone is None else gone | found
    if gone is None or not gone.any():
        return None, 0, 0
    return dump_validation_rows(without_rows(rows, gone)), int(gone.sum()), len(content)


def _golden(
    request: ErasureRequest, version: ModelVersion, entities: EntityColumns, location: str
) -> tuple[bytes | None, int, tuple[str, ...]]:
    """Return a version's golden rows without those of erased keys, how many these are, and what is said of them."""
    before = [i for i in request.erasures.tombstones if i.entity in entities and version.created_at <= i.at]
    tombstones = [item for item in before if item.number in request.values]
    if version.golden and any(item.done_at is None for item in before if item not in tombstones):
        return None, 0, ("of an erasure that was cut its golden rows may stay: erase the key once more by its value",)
    if not version.golden or not tombstones:
        return None, 0, ()
    content = read_artifact(location, version.golden, version.golden_sha256)
    asked = [
        {columns[key]: value for key, value in request.values[item.number].items()}
        for item in tombstones
        for columns in entities[item.entity]
    ]
    places = [places_of(content, values) for values in asked]
    if None in places:
        note = "its golden rows have no keys to find them by: train it anew, or retire it and `featurectl clean`"
        return None, 0, (note,)
    gone = {place for found in places if found is not None for place in found}
    return (without_places(content, gone), len(gone), ()) if gone else (None, 0, ())


def _place_of(version: ModelVersion) -> tuple[str, int]:
    return version.model, version.version


def _stored(item: _Cleaned, location: str) -> dict[str, Any]:
    """Write the files without the rows, and return the fields of the version that name them."""
    fields: dict[str, Any] = {}
    if item.judged is not None:
        file = write_artifact(location, item.version.model, VALIDATION_FORMAT, item.judged)
        fields |= {"judged": file.path, "judged_sha256": file.sha256}
    if item.golden is not None:
        file = write_artifact(location, item.version.model, GOLDEN, item.golden)
        fields |= {"golden": file.path, "golden_sha256": file.sha256}
    return fields


def _register(request: ErasureRequest, changed: Mapping[tuple[str, int], Mapping[str, Any]]) -> None:
    """Have the registry name the new files, whoever changes it meanwhile."""
    workspace = request.target.workspace
    actor, names = current_actor(workspace.root), ", ".join(f"{model}@{number}" for model, number in changed)
    summary = f"rows beside {names} written anew"
    entry = HistoryEntry(serial=0, at=actor.at, who=actor.who, commit=actor.commit, command="erase", summary=summary)
    for tries_left in reversed(range(_TRIES)):
        state = workspace.state()
        versions = [replace(v, **fields) for v in state.model_versions if (fields := changed.get(_place_of(v)))]
        try:
            workspace.registry().replace_models(state, versions, entry)
        except TryAgainError:
            if not tries_left:
                raise
        else:
            return


def _remove_others(before: Sequence[ModelVersion], request: ErasureRequest) -> None:
    """Remove the files of before that no version names any more."""
    state = request.target.workspace.state()
    named = {path for version in state.model_versions for path in (version.judged, version.golden)}
    gone = {path for version in before for path in (version.judged, version.golden)} - named
    open_loose(request.target.workspace.offline_location()).remove_files(sorted(gone - {""}))


def _finding(item: _Cleaned) -> PlaceFindings:
    place = f"rows beside model {item.version.model}@{item.version.version}"
    return PlaceFindings(place=place, rows=item.rows, rewritten=item.size, notes=item.notes)
