"""Files of rows beside models that no version names and that have rows of erased keys, as a restored folder has them.

Files of versions were written anew without these rows, under other names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from featurectl.core.erasures import Erasures
from featurectl.models.golden_rows import GOLDEN
from featurectl.models.validation_rows import VALIDATION_FORMAT
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.erased_rows.model_keys import EntityColumns, key_columns
from featurectl.operations.erased_rows.rows_without import ErasedValues, golden_without, judged_without
from featurectl.registry.rows import model_document
from featurectl.registry.state import State

_FILE: Final = re.compile(rf"models/[^/]+/([0-9a-f]{{64}})\.({GOLDEN}|{VALIDATION_FORMAT})")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnnamedFile:
    """A file with rows of erased keys: how many, and its content without them."""

    path: str
    rows: int
    kept: bytes


def unnamed_files(
    location: str, state: State, model: str, erasures: Erasures, values: ErasedValues
) -> Iterator[UnnamedFile]:
    """Yield the files of a model at an offline location that no version of a state names.

    `values` are erased keys by the tombstones' numbers, where they are known.

    Raises:
        StoreError: the place can't be read.
    """
    files, named, entities = open_loose(location), named_digests(state), _entities(state, model)
    for file in files.dated(f"models/{model}"):
        name = _FILE.fullmatch(file.path)
        content = files.read(file.path) if name is not None and name[1] not in named else None
        if name is None or content is None:
            continue
        kept, rows = _without(content, name[2], entities, erasures, values)
        if kept is not None:
            yield UnnamedFile(path=file.path, rows=rows, kept=kept)


def named_digests(state: State) -> set[str]:
    """Return the digests of all files that a version of a state names."""
    return {
        digest for version in state.model_versions for digest in re.findall(r"[0-9a-f]{64}", model_document(version))
    }


def _without(
    content: bytes, kind: str, entities: EntityColumns, erasures: Erasures, values: ErasedValues
) -> tuple[bytes | None, int]:
    """Return a file without the rows of erased keys, and how many; None where it has none, or is another file."""
    try:
        if kind == VALIDATION_FORMAT:
            return judged_without(content, erasures, entities)
        own = tuple(item for item in erasures.tombstones if item.entity in entities)
        return golden_without(content, Erasures(secret=erasures.secret, tombstones=own), entities, values)[:2]
    except (pl.exceptions.PolarsError, json.JSONDecodeError, LookupError, TypeError, AttributeError):
        return None, 0  # a model's own file


def _entities(state: State, model: str) -> EntityColumns:
    """Return the columns of keys in the rows of all versions of a model."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for version in (each for each in state.model_versions if each.model == model):
        for entity, several in key_columns(version, state).items():
            known = found.setdefault(entity, [])
            known += [columns for columns in several if columns not in known]
    return found
