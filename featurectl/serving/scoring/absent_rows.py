"""Which rows of a request the store has nothing of."""

from __future__ import annotations

from typing import Final

from featurectl.online.client.feature_columns import FeatureColumns

NOT_FOUND: Final = "NOT_FOUND"


def absent_rows(found: FeatureColumns) -> dict[int, str]:
    """Return the rows of which the store has nothing of one of their entities, each with a feature of that entity.

    A feature that is newer than the row of an entity is not found either, and the row is there.
    """
    views: dict[str, list[str]] = {}
    for name, column in found.columns.items():
        views.setdefault(column.source.field, []).append(name)
    absent: dict[int, str] = {}
    for names in views.values():
        statuses = [found.columns[name].statuses for name in names]
        if all(NOT_FOUND in some for some in statuses):
            for row in range(found.count):
                if all(some[row] == NOT_FOUND for some in statuses):
                    absent.setdefault(row, names[0])
    return absent
