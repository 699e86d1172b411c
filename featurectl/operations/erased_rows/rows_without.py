"""Files of rows beside models, without the rows of erased keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from featurectl.core.erasures import Erasures, KeyPart, Tombstone
from featurectl.models.golden_rows import WantedKey, places_of, without_places
from featurectl.models.validation_rows import dump_validation_rows, load_validation_rows, without_rows
from featurectl.operations.erased_rows.model_keys import EntityColumns
from featurectl.pit.erased_rows import ErasedRows

_TIME: Final = "\x00time"
ErasedValues = Mapping[int, Mapping[str, KeyPart]]


def judged_without(content: bytes, erasures: Erasures, entities: EntityColumns) -> tuple[bytes | None, int]:
    """Return the rows that a version was judged on without those of erased keys (None: it has none), and how many."""
    rows = load_validation_rows(content)
    table = rows.spine.with_columns(rows.time.alias(_TIME))
    gone = None
    for entity, columns in ((entity, columns) for entity, several in entities.items() for columns in several):
        if all(column in table.columns for column in columns.values()):
            found = ErasedRows(erasures=erasures, entity=entity, columns=columns).are(table, _TIME)
            gone = found if gone is None else gone | found
    if gone is None or not gone.any():
        return None, 0
    return dump_validation_rows(without_rows(rows, gone)), int(gone.sum())


def golden_without(
    content: bytes, erasures: Erasures, entities: EntityColumns, values: ErasedValues
) -> tuple[bytes | None, int, Sequence[Tombstone]]:
    """Return golden rows without those of erased keys (None: it has none), and how many.

    `values` are the keys by the tombstones' numbers, where they are known. Last come the tombstones of which the
    document does not say whether it has rows.
    """
    gone, unsure = set[int](), []
    for item in erasures.tombstones:
        known = values.get(item.number, {})
        places = [
            places_of(content, _wanted(item, columns, known), erasures.secret) for columns in entities[item.entity]
        ]
        gone |= {place for found in places for place in found or ()}
        if None in places:
            unsure.append(item)
    return (without_places(content, gone) if gone else None), len(gone), unsure


def _wanted(item: Tombstone, columns: Mapping[str, str], values: Mapping[str, KeyPart]) -> WantedKey:
    own = {columns[key]: value for key, value in values.items()}
    return WantedKey(columns=tuple(columns[key] for key in item.keys), digest=item.digest, values=own)
