"""Whose rows a transform is not given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featurectl.core.erasures import Erasures


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedSourceRows:
    """Whose rows of a source a transform is not given: of the erased keys of an entity.

    `columns` maps its keys to the names that they have among the columns of a source; where it has none of that name
    the key's own is looked for. Rows of a source that has not all columns of an erased key are given.
    """

    erasures: Erasures
    entity: str
    columns: Mapping[str, str]
