"""Golden rows: some of the rows that a model was trained on, with the scores that it gave them, as JSON.

The keys of the rows' entities are no inputs. So that a person's rows can be found when they are erased, the document
has the hash of each key that an erasure has, made with the secret of the registry: nobody without that can tell
anything of a key by it. Documents of before have hashes with a salt of their own, which only who knows a key can find.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from featurectl.core.documents import parse_json
from featurectl.core.erasures import KeyPart, key_digest
from featurectl.models.request_matrix import category_text
from featurectl.models.runtimes.base import Scores

GOLDEN: Final = "json"
ROWS: Final = 100
_FEW_KEYS: Final = 4
_SECRETS_NAME: Final = "golden rows"
RawColumns = Mapping[str, Sequence[object]]
EntityKeys = Mapping[
    tuple[str, ...], Sequence[tuple[KeyPart | None, ...]]
]  # of rows, by the columns of an entity's keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Raw inputs by column, as a request or the online store gives them, and a score per row."""

    columns: RawColumns
    scores: Scores


def choose_rows(count: int) -> npt.NDArray[np.int64]:
    """Return the places of up to 100 rows, evenly spread from the first to the last.

    >>> choose_rows(3).tolist(), len(choose_rows(10_000))
    ([0, 1, 2], 100)
    """
    return np.linspace(0, count - 1, min(count, ROWS)).round().astype(np.int64)


def dump_golden(columns: RawColumns, scores: Scores) -> bytes:
    """Return golden rows as JSON; a NaN is null, as it is for a model."""
    plain = {name: [_plain(cell) for cell in cells] for name, cells in columns.items()}
    return _dumped({"columns": plain, "scores": [_plain(float(score)) for score in scores]})


def with_keys(content: bytes, keys: EntityKeys, secret: bytes) -> bytes:
    """Return golden rows with the hashes of their entities' keys, whole and in parts, as `key_digest` makes them.

    An erasure names some keys of an entity, or all: of many keys (more than four) there are each one's hash and that
    of all. A key with a null has none.
    """
    hashes = {
        _columns_name(some): [_digest_of(secret, [row[columns.index(name)] for name in some]) for row in rows]
        for columns, rows in keys.items()
        for some in _parts(columns)
    }
    made_with = _name_of(secret)
    return _dumped(parse_json(content) | {"keys": {"made_with": made_with, "hashes": hashes}})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedKey:
    """An erased key: the columns of the rows that hold it, in the entity's order, its `key_digest`, its value if known.

    `values` are by column; empty: the value is not known.
    """

    columns: tuple[str, ...]
    digest: str
    values: Mapping[str, KeyPart] = field(default_factory=dict)


def places_of(content: bytes, wanted: WantedKey, secret: bytes) -> list[int] | None:
    """Return the places of the golden rows of a key; None where the document does not say whose they are.

    That is so of all keys in a document without hashes, or with those of another registry's secret, and of keys whose
    value is not known in one with a salt (`needs_values`).
    """
    keys = parse_json(content).get("keys")
    if keys is None:
        return None
    if "salt" in keys:
        return _places_by_value(keys, wanted.values)
    name = _columns_name(wanted.columns)
    if keys["made_with"] != _name_of(secret) or name not in keys["hashes"]:
        return None
    return [place for place, digest in enumerate(keys["hashes"][name]) if digest == wanted.digest]


def needs_values(content: bytes) -> bool:
    """Return whether rows are found by the values of keys alone: documents of before are such."""
    return "salt" in (parse_json(content).get("keys") or {})


def _places_by_value(keys: Mapping[str, Any], values: Mapping[str, KeyPart]) -> list[int] | None:
    if not values or any(name not in keys["hashes"] for name in values):
        return None
    salt = bytes.fromhex(keys["salt"])
    wanted = [(keys["hashes"][name], key_digest(salt, [part])) for name, part in values.items()]
    count = min((len(column) for column, _ in wanted), default=0)
    return [place for place in range(count) if all(column[place] == digest for column, digest in wanted)]


def _parts(columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    sizes = range(1, len(columns) + 1) if len(columns) <= _FEW_KEYS else (1, len(columns))
    for size in sizes:
        yield from combinations(columns, size)


def _columns_name(columns: Sequence[str]) -> str:
    return json.dumps(columns, ensure_ascii=False)


def _digest_of(secret: bytes, parts: Sequence[KeyPart | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return key_digest(secret, known) if len(known) == len(parts) else None


def _name_of(secret: bytes) -> str:
    """Return what tells secrets apart, and nothing of them."""
    return key_digest(secret, [_SECRETS_NAME])


def without_places(content: bytes, gone: Collection[int]) -> bytes:
    """Return golden rows without some of them."""
    document = parse_json(content)

    def kept(column: Sequence[object]) -> list[object]:
        return [cell for place, cell in enumerate(column) if place not in gone]

    document["columns"] = {name: kept(column) for name, column in document["columns"].items()}
    document["scores"] = kept(document["scores"])
    hashes = document["keys"]["hashes"]  # without which no place of a row is known
    document["keys"]["hashes"] = {name: kept(column) for name, column in hashes.items()}
    return _dumped(document)


def load_golden(content: bytes) -> Golden:
    """Return the golden rows of a JSON text."""
    document = parse_json(content)
    scores = [math.nan if score is None else float(score) for score in document["scores"]]
    return Golden(columns=document["columns"], scores=np.array(scores, dtype=np.float64))


def _dumped(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()


def _plain(cell: object) -> object:
    match cell:
        case float() if not math.isfinite(cell):
            return None if math.isnan(cell) else str(cell)  # "inf" and "-inf", which float() reads
        case Decimal() | datetime() | date():
            return category_text(cell)
        case _:
            return cell
