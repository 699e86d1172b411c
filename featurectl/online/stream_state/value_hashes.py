"""Hashes of values for approx_count_distinct: those of `pit.hashing`, without frames."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.core.dtypes import decimal_parts
from featurectl.online.stream_state.columns import scaled

Hashes = npt.NDArray[np.uint64]

_STEP: Final = 0x9E3779B97F4A7C15
_END: Final = 1 << 64
_WORD: Final = 8


def hash_values(dtype: str, values: Sequence[object] | npt.NDArray[np.generic]) -> Hashes:
    """Return a hash of each value of a column, as `Column.part` gives them: equal values have one hash."""
    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        return np.array([_of_float(value) for value in values.tolist()], np.uint64)
    if isinstance(values, np.ndarray):
        return np.array([_mixed(_STEP ^ _mixed(value % _END)) for value in values.tolist()], np.uint64)
    parts = decimal_parts(dtype)
    texts = [scaled(value, parts[1]) if parts and isinstance(value, int) else str(value) for value in values]
    return np.array([_of_text(text) for text in texts], np.uint64)


def _of_float(value: float) -> int:
    bits = struct.pack(">d", math.nan if math.isnan(value) else value + 0.0)  # -0.0 is 0.0
    return _mixed(_STEP ^ _mixed(int.from_bytes(bits, "big")))


def _of_text(text: str) -> int:
    data = text.encode()
    mixed = _mixed(len(data))
    for start in range(0, len(data), _WORD):
        mixed = _mixed(mixed ^ int.from_bytes(data[start : start + _WORD], "little"))
    return _mixed(_STEP ^ mixed)


def _mixed(number: int) -> int:
    """Return a number scrambled: the finaliser of splitmix64 (Source: Steele, Lea, Flood, OOPSLA 2014)."""
    number = (number + _STEP) % _END
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % _END
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB % _END
    return number ^ (number >> 31)
