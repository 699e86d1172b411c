"""Keys of entities whose rows were erased, as the registry remembers them: by keyed hashes, never by their values.

Who has the secret, which lies in the registry, can find out whether a key that they know was erased; nobody else can,
and nobody can read a key from a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Final

KeyPart = str | int | bool | date
SECRET_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """An erased key of an entity: no row of it comes back that happened, or became available, until `at`.

    `number` is that of the erasure, later ones have greater ones: the microseconds of `at`, or one more than the last,
    so that no two registries of a project give one to two keys, as one that was restored might. `keys` are the names
    of the keys that were given, in the entity's order: all of the entity, or some of them, which every row has that
    agrees in these. `digest` is `key_digest` of their values, in hexadecimal; `quick` is `quick_hashes` of them, by
    which few rows are left to work out a digest of. `done_at` is when all that could be reached was removed; None: a
    part of it may be there still.
    """

    number: int
    entity: str
    keys: tuple[str, ...]
    digest: str
    quick: int
    at: datetime
    done_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)  # without slots: there would be no room for what is looked up again and again
class Erasures:
    """All tombstones of a project, by number, and the secret of their hashes; empty where nothing was erased."""

    secret: bytes = field(default=b"", repr=False)
    tombstones: tuple[Tombstone, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything was erased."""
        return bool(self.tombstones)

    @property
    def number(self) -> int:
        """The number of the newest tombstone, 0 where there is none."""
        return max((item.number for item in self.tombstones), default=0)

    def newest_of(self, entity: str) -> int:
        """Return the number of the newest tombstone of an entity, 0 where it has none."""
        return max((item.number for item in self.of(entity)), default=0)

    def of(self, entity: str) -> Sequence[Tombstone]:
        """Return the tombstones of an entity, by number."""
        return self._by_entity.get(entity, ())

    def after(self, number: int) -> Erasures:
        """Return those of a later number."""
        later = tuple(item for item in self.tombstones if item.number > number)
        return Erasures(secret=self.secret, tombstones=later)

    def erased_until(self, entity: str, values: Mapping[str, KeyPart | None]) -> datetime | None:
        """Return until when rows of an entity are erased, by the values of its keys; None: they are not.

        A null is the value of no erased key.
        """
        found = [
            until
            for keys, known in self.digests_of(entity).items()
            if None not in (given := [values[key] for key in keys])
            and (until := known.get(key_digest(self.secret, [part for part in given if part is not None])))
        ]
        return max(found, default=None)

    def digests_of(self, entity: str) -> Mapping[tuple[str, ...], Mapping[str, datetime]]:
        """Return until when each digest is erased, by the names of the keys that it is of."""
        return self._digests.get(entity, {})

    @cached_property
    def _by_entity(self) -> Mapping[str, Sequence[Tombstone]]:
        found: dict[str, list[Tombstone]] = {}
        for item in self.tombstones:
            found.setdefault(item.entity, []).append(item)
        return found

    @cached_property
    def _digests(self) -> Mapping[str, Mapping[tuple[str, ...], Mapping[str, datetime]]]:
        found: dict[str, dict[tuple[str, ...], dict[str, datetime]]] = {}
        for item in self.tombstones:
            known = found.setdefault(item.entity, {}).setdefault(item.keys, {})
            known[item.digest] = max(item.at, known.get(item.digest, item.at))
        return found


NOTHING_ERASED: Final = Erasures()


def key_text(part: KeyPart) -> str:
    """Return a key's value as the text that is hashed: the same whether an entity declares a text or a number.

    >>> [key_text(part) for part in ("42", 42, True, date(2026, 11, 29))]
    ['42', '42', 'true', '2026-11-29']
    """
    if isinstance(part, bool):
        return "true" if part else "false"
    return part.isoformat() if isinstance(part, date) else str(part)


def key_digest(secret: bytes, parts: Iterable[KeyPart]) -> str:
    """Return the keyed hash of a key's values in their order, as 32 hexadecimal digits (BLAKE2b)."""
    return text_digest(secret, map(key_text, parts))


def text_digest(secret: bytes, texts: Iterable[str]) -> str:
    """Return `key_digest` of values that are `key_text` already."""
    whole = hashlib.blake2b(key=secret, digest_size=_DIGEST_BYTES)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()
