"""Rows of a spine whose keys are erased: they are left out, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from featurectl.core.erasures import Erasures
from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import counted, plural
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.model import FeatureInput, Label, ModelInput
from featurectl.operations.training.digest import CHUNK_ROWS
from featurectl.operations.training.long_spine import AnySpine, SpillPlace, store
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.views import BoundView
from featurectl.pit.erased_rows import ErasedRows

_TIMES = ("\x00time", "\x00known")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedEntity:
    """An entity of which rows of a spine are, and the columns of the spine that hold its keys."""

    entity: Entity
    columns: tuple[str, ...]


def joined_entities(
    inputs: Sequence[ModelInput], views: Mapping[str, BoundView], label: Label | None
) -> list[JoinedEntity]:
    """Return the entities of which a spine's rows are: those whose features they are joined to, and the label's."""
    found: list[JoinedEntity] = []
    for item in inputs:
        entity = views[item.view].view.entity if isinstance(item, FeatureInput) else None
        if isinstance(item, FeatureInput) and entity is not None:
            found.append(JoinedEntity(entity=entity, columns=tuple(item.join[key] for key in entity.keys)))
    if label is not None and label.entity is not None:
        found.append(JoinedEntity(entity=label.entity, columns=tuple(label.entity.keys)))
    return [item for number, item in enumerate(found) if item not in found[:number]]


def without_erased(
    spine: AnySpine, joined: Iterable[JoinedEntity], erasures: Erasures, place: SpillPlace | None = None
) -> AnySpine:
    """Return the rows of a spine whose keys are not erased, in order, with the number of the others.

    A row is left out when its time, or when its answer is made, is not after the erasure; a null time is before it.
    """
    asked = [item for item in joined if erasures.of(item.entity.name)]
    if not asked:
        return spine
    if isinstance(spine, SpineRows):
        return _without(spine, asked, erasures)
    assert place is not None, "a spine in files has room"
    parts = [_without(spine.part(start, CHUNK_ROWS), asked, erasures) for start in range(0, spine.height, CHUNK_ROWS)]
    left_out = sum(part.erased for part in parts)
    return replace(store(iter(parts), place), erased=left_out) if left_out else spine


def _without(spine: SpineRows, asked: Sequence[JoinedEntity], erasures: Erasures) -> SpineRows:
    erased = pl.zeros(spine.height, dtype=pl.Boolean, eager=True)
    times = [spine.time.alias(_TIMES[0]), *([] if spine.known is None else [spine.known.alias(_TIMES[1])])]
    for item in asked:
        there = [*spine.rows.columns, *spine.own.columns]
        if not all(column in there for column in item.columns):
            continue  # the join says so
        types = item.entity.keys
        keys = [
            spine.column(column).cast(polars_dtype(dtype), strict=False).alias(key)
            for (key, dtype), column in zip(types.items(), item.columns, strict=True)
        ]
        rows = ErasedRows(erasures=erasures, entity=item.entity.name, columns={key: key for key in types})
        erased = erased | rows.are(pl.DataFrame([*keys, *times]), *_TIMES[: len(times)])
    left_out = int(erased.sum())
    return replace(spine.only(~erased), erased=left_out) if left_out else spine


def erased_lines(count: int) -> tuple[str, ...]:
    """Return what is said of rows that were left out.

    >>> erased_lines(0), erased_lines(1), erased_lines(20_000)
    ((), ('1 row of the spine is left out: its keys are erased',), \
('20,000 rows of the spine are left out: their keys are erased',))
    """
    rows, are = counted(count, "row"), plural(count, "is", "are")
    return (f"{rows} of the spine {are} left out: {plural(count, 'its', 'their')} keys are erased",) if count else ()
