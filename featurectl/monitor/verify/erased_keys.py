"""Keys that were erased: what a log, or a store, has of them is no difference, for no table has them any more."""

from __future__ import annotations

from typing import Final

import polars as pl

from featurectl.core.erasures import Erasures
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.verify.served_rows import ServedRows
from featurectl.online.erased_keys import ErasedUntil, erased_until
from featurectl.pit.erased_rows import ErasedRows

_READ: Final = "\x00read"


def erased_packed_keys(erasures: Erasures, view: FeatureView) -> ErasedUntil:
    """Return what finds the packed keys of a view that were erased."""
    if view.entity is None or not erasures.of(view.entity.name):
        return lambda _: None
    return erased_until(erasures, view.entity.name, view.key_types)


def without_erased(served: ServedRows, erasures: Erasures) -> tuple[ServedRows, int]:
    """Return the rows that were not read of erased keys before their erasure, and how many others there were."""
    entity = served.bound.view.entity
    if entity is None or not erasures.of(entity.name) or not served.height:
        return served, 0
    rows = ErasedRows(erasures=erasures, entity=entity.name, columns={key: key for key in served.keys.columns})
    keys = pl.DataFrame([*served.keys.get_columns(), served.read_at.alias(_READ)])
    erased = rows.are(keys, _READ)
    return (served.some(~erased), int(erased.sum())) if erased.any() else (served, 0)
