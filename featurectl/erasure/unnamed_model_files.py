"""Files of rows beside models that no version names, as a folder has them that was restored from before an erasure.

A file is one of a restored folder when rows of erased keys are in it, for those of versions were written anew without
them, under other names. It goes whole. Where the file without these rows is one that a version names and that is gone,
as the folder was put back over the newer one, that one is made of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.core.dataclass import dataclass
from featurectl.core.units import counted
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.erasure.model_keys import EntityColumns, key_columns
from featurectl.erasure.rows_without import golden_without, judged_without
from featurectl.models.golden_rows import GOLDEN
from featurectl.models.validation_rows import VALIDATION_FORMAT
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.clean.shared_places import has_models_of_others
from featurectl.registry.rows import model_document

_FILE: Final = re.compile(rf"models/[^/]+/([0-9a-f]{{64}})\.({GOLDEN}|{VALIDATION_FORMAT})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnnamedFile:
    """A file with rows of erased keys: how many, and its content without them."""

    path: str
    rows: int
    kept: bytes


def unnamed_findings(request: ErasureRequest, *, remove: bool) -> list[PlaceFindings]:
    """Return what such files have of erased keys, a finding for each model; they are removed if `remove`.

    Where other projects, or other registries, keep models at the same place, a file may be of a version of theirs: it
    stays, and is named.

    Raises:
        StoreError: the place can't be read or written.
    """
    others = has_models_of_others(request.target.workspace)
    found = []
    for model in sorted({version.model for version in request.target.state.model_versions}):
        files = [*_unnamed(request, model)]
        if not files:
            continue
        notes: tuple[str, ...] = ()
        if others:
            notes = tuple(_may_be_of_others(file) for file in files)
        elif remove:
            _remove(request, model, files)
        rows = 0 if others else sum(file.rows for file in files)
        found.append(PlaceFindings(place=f"files of model {model} that no version names", rows=rows, notes=notes))
    return found


def _may_be_of_others(file: _UnnamedFile) -> str:
    return (
        f"{file.path} has {counted(file.rows, 'row')} of erased keys, and no version of this registry names it: other "
        "projects or registries keep models here, too; remove it unless a version there does"
    )


def _unnamed(request: ErasureRequest, model: str) -> Iterator[_UnnamedFile]:
    files = open_loose(request.target.workspace.offline_location())
    named, entities = _named(request), _entities(request, model)
    for file in files.dated(f"models/{model}"):
        name = _FILE.fullmatch(file.path)
        content = files.read(file.path) if name is not None and name[1] not in named else None
        if name is None or content is None:
            continue
        kept, rows = _without(request, content, name[2], entities)
        if kept is not None:
            yield _UnnamedFile(path=file.path, rows=rows, kept=kept)


def _without(request: ErasureRequest, content: bytes, kind: str, entities: EntityColumns) -> tuple[bytes | None, int]:
    """Return a file without the rows of erased keys, and how many; None where it has none, or is another file."""
    erasures = request.target.state.erasures
    try:
        if kind == VALIDATION_FORMAT:
            return judged_without(content, erasures, entities)
        own = [item for item in erasures.tombstones if item.entity in entities]
        return golden_without(content, own, entities, request)[:2]
    except (pl.exceptions.PolarsError, json.JSONDecodeError, LookupError, TypeError, AttributeError):
        return None, 0  # a model's own file


def _named(request: ErasureRequest) -> set[str]:
    """Return the digests of all files that a version names, by the registry as it is now."""
    versions = request.target.workspace.state().model_versions
    return {digest for version in versions for digest in re.findall(r"[0-9a-f]{64}", model_document(version))}


def _entities(request: ErasureRequest, model: str) -> EntityColumns:
    """Return the columns of keys in the rows of all versions of a model."""
    state = request.target.state
    found: dict[str, list[Mapping[str, str]]] = {}
    for version in (each for each in state.model_versions if each.model == model):
        for entity, several in key_columns(version, state).items():
            known = found.setdefault(entity, [])
            known += [columns for columns in several if columns not in known]
    return found


def _remove(request: ErasureRequest, model: str, found: Sequence[_UnnamedFile]) -> None:
    """Remove files, once those that versions name are there that can be made of them."""
    files, named = open_loose(request.target.workspace.offline_location()), _named(request)
    for file in found:
        digest, kind = hashlib.sha256(file.kept).hexdigest(), file.path.rpartition(".")[2]
        path = f"models/{model}/{digest}.{kind}"
        if digest in named and files.written(path) is None:
            files.write(path, file.kept)
    files.remove_files([file.path for file in found])
