"""What a packed row holds: a small JSON document that lies in the store beside the rows.

    {"features": [["count_1h", "int64"], ...], "format": 1, "keys": [["carrier", "string"]],
     "meanings": {"count_1h": "5d0c1f9a2b7e4c68", ...}, "newer_by": "event"}

A row names its document by an id of 16 bits: the first two bytes of the document's SHA-256, or the next free
number when another document of the same view version has it already. A document never changes, so a row stays
readable when the view gets another feature. `meanings` distinguish a feature from an earlier one of its name and type.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from featurectl.core.documents import parse_json
from featurectl.core.dtypes import UNKNOWN, parse_dtype
from featurectl.core.errors import StoreError
from featurectl.online.base import OnlineView, VersionedBy
from featurectl.online.corrupt_rows import BROKEN

FORMAT = 1
_IDS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSchema:
    """The features of a row, names to types, in the order of their values, and digests of what they mean, if known.

    `newer_by` is the instant that makes a row newer, as `OnlineView.versioned_by`: a short row is of its format.
    """

    features: Mapping[str, str]
    newer_by: VersionedBy
    meanings: Mapping[str, str] = field(default_factory=dict)

    def means(self, name: str, meaning: str | None) -> bool:
        """Return whether a value of a name has a meaning, as far as both are known."""
        return meaning is None or self.meanings.get(name, meaning) == meaning


def field_name(view: OnlineView) -> str:
    """Return the name of a view version in a store."""
    return f"{view.view}@{view.version}"


def schema_name(field: str, schema_id: int) -> str:
    """Return the name of a schema of `view@version` among what all entities share."""
    return f"schema/{field}/{schema_id}"


def record_name(field: str) -> str:
    """Return the name of the push record of `view@version` among what all entities share."""
    return f"push/{field}"


def lost_schema(schema_id: int, shown: str = "") -> StoreError:
    """Return the error that a store has a row and not its schema."""
    name = f" {shown}" if shown else ""
    return StoreError(f"the online store{name} has lost schema {schema_id}", code="FC602")


class SchemaCache:
    """The schemas of rows, each fetched once: they never change, unless a store is replaced."""

    def __init__(self, fetch: Callable[[OnlineView, str], bytes | None], shown: str = "") -> None:
        self._fetch = fetch
        self._shown = shown
        self._known: dict[tuple[str, str, str, int], RowSchema] = {}

    def find(self, view: OnlineView, schema_id: int) -> RowSchema | None:
        """Return a schema of a view version, None where the store has none of this id.

        Raises:
            StoreError: it is broken, or the store fails.
        """
        field = field_name(view)
        place = (view.project, view.env, field, schema_id)
        if place not in self._known:
            document = self._fetch(view, schema_name(field, schema_id))
            if document is None:
                return None
            self._known[place] = parse_schema(document)
        return self._known[place]

    def get(self, view: OnlineView, schema_id: int) -> RowSchema:
        """Return a schema of a view version.

        Raises:
            StoreError: FC602, the store has lost it; or as `find`.
        """
        found = self.find(view, schema_id)
        if found is None:
            raise lost_schema(schema_id, self._shown)
        return found

    def clear(self) -> None:
        """Forget all that is known."""
        self._known.clear()


def schema_document(view: OnlineView) -> str:
    """Return the document of the rows that a view version gets now: canonical, so equal schemas have equal bytes."""
    document: dict[str, object] = {
        "format": FORMAT,
        "keys": [[name, dtype] for name, dtype in view.keys.items()],
        "features": [[name, dtype] for name, dtype in view.features.items()],
        "newer_by": view.versioned_by,
    }
    if view.meanings:
        document["meanings"] = dict(view.meanings)
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def schema_digest(view: OnlineView) -> str:
    """Return what distinguishes schemas: the SHA-256 of the document, in hexadecimal."""
    return hashlib.sha256(schema_document(view).encode()).hexdigest()


def parse_schema(document: str | bytes) -> RowSchema:
    """Return a stored document as a schema.

    Raises:
        StoreError: a later version of featurectl wrote it, or it is none.
    """
    try:
        return _parsed(parse_json(document))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        hint = "featurectl push --full VIEW writes another; does another program write its keys?"
        raise StoreError("the online store holds a broken schema of rows", code=BROKEN, hint=hint) from error


def _parsed(found: dict[str, Any]) -> RowSchema:
    if found["format"] != FORMAT:
        raise StoreError(
            f"the online store holds rows of format {found['format']}; this version reads format {FORMAT}",
            code="FC602",
            hint="use the version of featurectl that pushed them, or a later one",
        )
    newer_by = found["newer_by"]
    if newer_by not in get_args(VersionedBy):
        raise ValueError(newer_by)
    features, meanings = typed_columns(dict(found["features"])), _texts(found.get("meanings", {}))
    return RowSchema(features=features, newer_by=newer_by, meanings=meanings)


def typed_columns(found: object) -> Mapping[str, str]:
    """Return what a document of a store says of columns: names with their types, of the language or unknown.

    Raises:
        ValueError, TypeError: it says something else.
    """
    columns = _texts(found)
    if any(parse_dtype(dtype) != dtype for dtype in columns.values() if dtype != UNKNOWN):
        raise ValueError(columns)
    return columns


def _texts(found: object) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(text, str) for item in found.items() for text in item):
        raise TypeError(found)
    return found


def claim_schema(document: str, put_if_absent: Callable[[int, str], str]) -> int:
    """Return the id of a document, put into the store when it is not there yet.

    `put_if_absent(id, document)` keeps a document unless the id is taken, and returns the one that has it then.
    """
    first = int.from_bytes(hashlib.sha256(document.encode()).digest()[:2], "big")
    for step in range(_IDS):
        number = (first + step) % _IDS
        if put_if_absent(number, document) == document:
            return number
    raise StoreError(f"the online store has no free schema id: all {_IDS:,} are taken", code="FC602")


def pushed_schema(digest: str, fetch: Callable[[int], bytes | None]) -> bytes | None:
    """Return the document of a digest from where `claim_schema` has put it, None where it is not there."""
    first = int(digest[:4], 16)
    for step in range(_IDS):
        document = fetch((first + step) % _IDS)
        if document is None or hashlib.sha256(document).hexdigest() == digest:
            return document
    return None
