"""Tombstones of tests, made as `featurectl erase` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from featurectl.core.erasures import Erasures, KeyPart, Tombstone, key_digest, key_text
from featurectl.pit.erased_rows import quick_hash

SECRET = bytes(range(32))


def tombstone(
    entity: str, keys: Sequence[str], parts: Sequence[KeyPart], at: datetime, *, secret: bytes = SECRET
) -> Tombstone:
    """One erased key, under number 1."""
    return Tombstone(
        number=1, entity=entity, keys=tuple(keys), digest=key_digest(secret, parts),
        quick=quick_hash(secret, [*map(key_text, parts)]), at=at,
    )  # fmt: skip


def erased(*items: Tombstone, secret: bytes = SECRET) -> Erasures:
    """These tombstones, of the tests' secret or another one, numbered in their order."""
    numbered = (replace(item, number=number) for number, item in enumerate(items, 1))
    return Erasures(secret=secret, tombstones=tuple(numbered))
