"""Golden rows: some of the rows that a model was trained on, with the scores that it gave them, as JSON.

The keys of the rows' entities are no inputs. So that a person's rows can be found when they are erased, the document
has a hash of each key, with a salt of its own: who knows a key can see whether a row is of it, nobody can read one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.core.dataclass import dataclass
from featurectl.core.documents import parse_json
from featurectl.core.erasures import KeyPart, key_digest
from featurectl.models.request_matrix import category_text
from featurectl.models.runtimes.base import Scores

GOLDEN: Final = "json"
ROWS: Final = 100
RawColumns = Mapping[str, Sequence[object]]


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


def with_keys(content: bytes, keys: Mapping[str, Sequence[KeyPart | None]]) -> bytes:
    """Return golden rows with a hash of each key of theirs, by the keys' names; a null has none."""
    document = parse_json(content)
    salt = hashlib.sha256(content).digest()
    hashes = {
        name: [None if part is None else key_digest(salt, [part]) for part in column] for name, column in keys.items()
    }
    return _dumped(document | {"keys": {"salt": salt.hex(), "hashes": hashes}})


def places_of(content: bytes, values: Mapping[str, KeyPart]) -> list[int] | None:
    """Return the places of the golden rows that have some keys; None where it says nothing of these keys."""
    keys = parse_json(content).get("keys")
    if keys is None or any(name not in keys["hashes"] for name in values):
        return None
    salt = bytes.fromhex(keys["salt"])
    wanted = [(keys["hashes"][name], key_digest(salt, [part])) for name, part in values.items()]
    count = min((len(column) for column, _ in wanted), default=0)
    return [place for place in range(count) if all(column[place] == digest for column, digest in wanted)]


def without_places(content: bytes, gone: Collection[int]) -> bytes:
    """Return golden rows without some of them."""
    document = parse_json(content)

    def kept(column: Sequence[object]) -> list[object]:
        return [cell for place, cell in enumerate(column) if place not in gone]

    document["columns"] = {name: kept(column) for name, column in document["columns"].items()}
    document["scores"] = kept(document["scores"])
    hashes = document["keys"]["hashes"]
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
