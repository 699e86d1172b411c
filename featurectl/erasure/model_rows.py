"""Rows of erased keys that stand beside models: those that a version was judged on, and its golden rows.

Golden rows have a hash of each key, by which they are found. Those of versions that were trained before there were such
hashes are found where the key is known, or not at all, which is said. Files that came back with a backup, which no
version names, go whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from featurectl.core.erasures import Erasures
from featurectl.core.errors import DataError, TryAgainError
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.erasure.category_keys import categories_note, erased_categories, without_categories
from featurectl.erasure.unnamed_model_files import unnamed_findings
from featurectl.models.artifact import read_artifact, write_artifact
from featurectl.models.golden_rows import GOLDEN, needs_values
from featurectl.models.validation_rows import VALIDATION_FORMAT
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.erased_rows.model_keys import EntityColumns, key_columns
from featurectl.operations.erased_rows.rows_without import golden_without, judged_without
from featurectl.registry.base import HistoryEntry
from featurectl.registry.state import BoundFeature, ModelVersion
from featurectl.workspace.actor import current_actor

_BY_VALUE: Final = (
    "of an erasure that was cut its golden rows may stay, which are found by the key's value alone: erase the key once "
    "more; until then the erasure is not finished"
)
_BY_NOTHING: Final = "its golden rows have no keys to find them by: train it anew, or retire it and `featurectl clean`"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cleaned:
    """What a version has of erased keys: its files, and its inputs, without it (None: they stay), and how many rows.

    `notes` is what is said of it; `unfinished` are tombstones of which it may have more.
    """

    version: ModelVersion
    judged: bytes | None = None
    golden: bytes | None = None
    inputs: tuple[BoundFeature, ...] | None = None
    rows: int = 0
    size: int = 0
    notes: tuple[str, ...] = ()
    unfinished: frozenset[int] = frozenset()


class ModelRowsPlace:
    """Validation rows and golden rows of all model versions, retired ones too: a finding for each version."""

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many rows there are of erased keys."""
        return [*unnamed_findings(request, remove=False), *map(_finding, _each(request))]

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Write the files anew without them, have the registry name these, and remove those of before."""
        unnamed = unnamed_findings(request, remove=True)
        found = list(_each(request))
        location = request.target.workspace.offline_location()
        changed = {_place_of(item.version): _stored(item, location) for item in found if item.rows}
        if changed:
            _register(request, changed)
            _remove_others([item.version for item in found if item.rows], request)
        return [*unnamed, *map(_finding, found)]


def _each(request: ErasureRequest) -> Iterator[_Cleaned]:
    location, state = request.target.workspace.offline_location(), request.target.state
    for version in state.model_versions:
        entities = key_columns(version, state)
        found = _Cleaned(version=version)
        for clean in (_with_judged, _with_golden, _with_inputs):
            try:
                found = clean(request, found, entities, location)
            except DataError as error:  # a file that is gone has no rows; `clean` removes those of retired versions
                said = () if version.status == "retired" else (error.message,)
                found = replace(found, notes=(*found.notes, *said))
        if found.rows or found.notes:
            yield found


def _with_judged(request: ErasureRequest, found: _Cleaned, entities: EntityColumns, location: str) -> _Cleaned:
    """Return it with the rows that the version was judged on, without those of erased keys."""
    version = found.version
    if not version.judged or not any(request.erasures.of(entity) for entity in entities):
        return found
    content = read_artifact(location, version.judged, version.judged_sha256)
    kept, rows = judged_without(content, request.erasures, entities)
    if not rows:
        return found
    return replace(found, judged=kept, rows=found.rows + rows, size=found.size + len(content))


def _with_golden(request: ErasureRequest, found: _Cleaned, entities: EntityColumns, location: str) -> _Cleaned:
    """Return it with the version's golden rows without those of erased keys, and what is said of them."""
    version = found.version
    before = [i for i in request.erasures.tombstones if i.entity in entities and version.created_at <= i.at]
    if not version.golden or not before:
        return found
    content = read_artifact(location, version.golden, version.golden_sha256)
    those = Erasures(secret=request.erasures.secret, tombstones=tuple(before))
    kept, rows, unsure = golden_without(content, those, entities, request.values)
    if kept is not None:
        found = replace(found, golden=kept, rows=found.rows + rows)
    left = frozenset(i.number for i in unsure if i.done_at is None and i.number not in request.values)
    if left and needs_values(content):
        return replace(found, notes=(*found.notes, _BY_VALUE), unfinished=left)
    if left or any(i.number in request.values for i in unsure):
        return replace(found, notes=(*found.notes, _BY_NOTHING))
    return found


def _with_inputs(request: ErasureRequest, found: _Cleaned, entities: EntityColumns, _: str) -> _Cleaned:
    """Return it with the inputs of a retired version without erased keys among categories; of others that is said."""
    erased = erased_categories(found.version, request.erasures, entities)
    if not erased:
        return found
    if found.version.status != "retired":
        return replace(found, notes=(*found.notes, categories_note(erased)))
    rows = sum(len(values) for values in erased.values())
    return replace(found, inputs=without_categories(found.version, erased), rows=found.rows + rows)


def _place_of(version: ModelVersion) -> tuple[str, int]:
    return version.model, version.version


def _stored(item: _Cleaned, location: str) -> dict[str, Any]:
    """Write the files without the rows, and return the fields of the version that name them."""
    fields: dict[str, Any] = {} if item.inputs is None else {"inputs": item.inputs}
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
    return PlaceFindings(place=place, rows=item.rows, rewritten=item.size, notes=item.notes, unfinished=item.unfinished)
