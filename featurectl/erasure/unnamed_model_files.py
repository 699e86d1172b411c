"""Files of rows beside models that no version names, as a folder has them that was restored from before an erasure.

One with rows of erased keys goes whole. Where the file without these rows is one that a version names and that is gone,
as the folder was put back over the newer one, that one is made of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from featurectl.core.units import counted
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.clean.shared_places import has_models_of_others
from featurectl.operations.erased_rows.unnamed_model_files import UnnamedFile, named_digests, unnamed_files


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


def _may_be_of_others(file: UnnamedFile) -> str:
    return (
        f"{file.path} has {counted(file.rows, 'row')} of erased keys, and no version of this registry names it: other "
        "projects or registries keep models here, too; remove it unless a version there does"
    )


def _unnamed(request: ErasureRequest, model: str) -> Iterator[UnnamedFile]:
    workspace, erasures = request.target.workspace, request.target.state.erasures
    return unnamed_files(workspace.offline_location(), workspace.state(), model, erasures, request.values)


def _remove(request: ErasureRequest, model: str, found: Sequence[UnnamedFile]) -> None:
    """Remove files, once those that versions name are there that can be made of them."""
    files, named = (
        open_loose(request.target.workspace.offline_location()),
        named_digests(request.target.workspace.state()),
    )
    for file in found:
        digest, kind = hashlib.sha256(file.kept).hexdigest(), file.path.rpartition(".")[2]
        path = f"models/{model}/{digest}.{kind}"
        if digest in named and files.written(path) is None:
            files.write(path, file.kept)
    files.remove_files([file.path for file in found])
