"""Golden rows: some of the rows that a model was trained on, with the scores that it gave them, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.core.dataclass import dataclass
from featurectl.core.documents import parse_json
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
    document = {"columns": plain, "scores": [_plain(float(score)) for score in scores]}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()


def load_golden(content: bytes) -> Golden:
    """Return the golden rows of a JSON text."""
    document = parse_json(content)
    scores = [math.nan if score is None else float(score) for score in document["scores"]]
    return Golden(columns=document["columns"], scores=np.array(scores, dtype=np.float64))


def _plain(cell: object) -> object:
    match cell:
        case float() if not math.isfinite(cell):
            return None if math.isnan(cell) else str(cell)  # "inf" and "-inf", which float() reads
        case Decimal() | datetime() | date():
            return category_text(cell)
        case _:
            return cell
