"""Hashes of rows that are the same on every machine and in every version: buckets and the order of ties rest on them.

They must never change: rows that lie in one bucket of a stored table are looked for in that bucket.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.pit.arrays import Ints

Hashes = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_NULL: Final = np.uint64(0xD6E8FEB86659FD93)
_SHIFTS: Final = np.uint64(30), np.uint64(27), np.uint64(31)
_BLOCK: Final = 1 << 14
_CHUNK_ROWS: Final = 1_000_000
_WORD: Final = 8
_FILL: Final = pl.Series("", ["\0" * _WORD])  # behind the last text, so that a word of each begins within them
_MANY: Final = 10_000  # texts from which on it is worth while to look whether few of them differ
_LOOKED_AT: Final = 4_000
_TWICE: Final = 2  # is each of those there that are looked at first
_REPEATED: Final = 16  # times is each of all there
_INT64_END: Final = 2.0**63
_MASKS: Final = np.array([2 ** (8 * size) - 1 for size in range(_WORD + 1)], dtype=np.uint64)  # of the first bytes


def hash_rows(frame: pl.DataFrame) -> pl.Series:
    """Return one Int64 per row, from the values of all columns in their order; names don't matter.

    Integers, booleans, dates and times count by their number, floats by their bits (-0.0 is 0.0, every NaN is one
    value), texts by their UTF-8 bytes, decimals by their text, lists by their items. A null differs from every
    value. A frame without columns gives the same number for each row.
    """
    total = np.full(frame.height, _GOLDEN, dtype=np.uint64)
    for column in frame.get_columns():
        total ^= _hash_column(column)
        total = _mix(total)
    return pl.Series("hash", total.view(np.int64))


def hash_ties(frame: pl.DataFrame) -> pl.Series:
    """Return one Int64 per row, from the values of its columns by their names, in whatever order they stand.

    A column that is not there and a null count for nothing: rows keep their hash when the source gets more columns.
    Whole floats count as the integers that they equal, else values count as in `hash_rows`.
    """
    total = np.zeros(frame.height, dtype=np.uint64)
    for column in frame.get_columns():
        hashes = _mix(_values(column) ^ _hash_texts(pl.Series([column.name]))[0])
        if column.null_count():
            hashes[column.is_null().to_numpy()] = 0
        total += hashes
    return pl.Series("hash", _mix(total).view(np.int64))


def add_hashes(sums: tuple[int, int], hashes: pl.Series) -> tuple[int, int]:
    """Return two sums with the hashes of more rows added: they tell rows apart whatever their order, copies too.

    >>> add_hashes((0, 0), pl.Series([1, 2])) == add_hashes(add_hashes((0, 0), pl.Series([2])), pl.Series([1]))
    True
    """
    numbers = hashes.to_numpy().view(np.uint64)
    more = int(numbers.sum(dtype=np.uint64)), int(_mix(numbers).sum(dtype=np.uint64))
    return (sums[0] + more[0]) % 2**64, (sums[1] + more[1]) % 2**64


def bucket_of(keys: pl.DataFrame, buckets: int) -> pl.Series:
    """Return the bucket (Int32, 0 .. buckets - 1) of each row's keys; `buckets` is a power of two.

    The columns are the entity's keys in the entity's order, in the language's types.
    """
    assert buckets & (buckets - 1) == 0, f"{buckets} is no power of two"
    if buckets == 1:
        return pl.zeros(keys.height, dtype=pl.Int32, eager=True).alias("bucket")
    return (hash_rows(keys) & (buckets - 1)).cast(pl.Int32).alias("bucket")


def _values(column: pl.Series) -> Hashes:
    """Return a number per value: two values of a type have two, as far as 64 bits can tell them apart."""
    if _is_number(column.dtype):
        return _numbers(column)
    if not column.dtype.is_float():
        return _hash_column(column)
    bits = _float_bits(column)
    floats = bits.view(np.float64)
    whole = (np.trunc(floats) == floats) & (np.abs(floats) < _INT64_END)
    bits[whole] = floats[whole].astype(np.int64).view(np.uint64)
    return bits


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype.is_temporal() or dtype == pl.Boolean


def _hash_column(column: pl.Series) -> Hashes:
    dtype = column.dtype
    if isinstance(dtype, pl.List):
        hashes = _hash_lists(column)
    elif isinstance(dtype, pl.Array):
        hashes = _hash_lists(column.arr.to_list())
    elif isinstance(dtype, pl.Struct):
        hashes = hash_rows(column.struct.unnest()).to_numpy().view(np.uint64)
    elif dtype.is_float():
        hashes = _mix(_float_bits(column))
    elif _is_number(dtype):
        hashes = _mix(_numbers(column))
    else:
        hashes = _hash_texts(column.cast(pl.String))
    return np.where(column.is_null().to_numpy(), _NULL, hashes) if column.null_count() else hashes


def _mix(values: Hashes) -> Hashes:
    """Return each number scrambled: the finaliser of splitmix64 (Source: Steele, Lea, Flood, OOPSLA 2014)."""
    mixed, spare = np.empty_like(values), np.empty(min(len(values), _BLOCK), dtype=np.uint64)
    for start in range(0, len(values), _BLOCK):  # a block at a time: it stays in the processor's cache
        out = mixed[start : start + _BLOCK]
        shifted = spare[: len(out)]
        np.add(values[start : start + _BLOCK], _GOLDEN, out=out)
        for bits, factor in ((_SHIFTS[0], _MIX_1), (_SHIFTS[1], _MIX_2)):
            np.right_shift(out, bits, out=shifted)
            np.bitwise_xor(out, shifted, out=out)
            np.multiply(out, factor, out=out)
        np.right_shift(out, _SHIFTS[2], out=shifted)
        np.bitwise_xor(out, shifted, out=out)
    return mixed


def _numbers(column: pl.Series) -> Hashes:
    if column.dtype == pl.UInt64:
        return column.fill_null(0).to_numpy()
    return column.to_physical().cast(pl.Int64).fill_null(0).to_numpy().view(np.uint64)


def _float_bits(column: pl.Series) -> Hashes:
    # Adding 0.0 turns -0.0 into 0.0; NaN has many bit patterns.
    values = column.cast(pl.Float64).fill_null(0.0).fill_nan(np.nan).to_numpy() + 0.0
    values[np.isnan(values)] = np.nan
    return values.view(np.uint64)


def _hash_texts(column: pl.Series) -> Hashes:
    """Return hashes of texts; of many among which few differ each of these is hashed once."""
    if len(column) >= _MANY and column.head(_LOOKED_AT).n_unique() * _TWICE <= _LOOKED_AT:
        texts = column.unique().drop_nulls()
        if len(texts) * _REPEATED <= len(column) and len(texts):
            places: Ints = column.cast(pl.Enum(texts)).to_physical().fill_null(0).to_numpy()
            return _hash_each(texts)[places]
    return _hash_each(column)


def _hash_each(column: pl.Series) -> Hashes:
    chunks = [_hash_chunk(column.slice(start, _CHUNK_ROWS)) for start in range(0, len(column), _CHUNK_ROWS)]
    return np.concatenate(chunks) if chunks else np.empty(0, dtype=np.uint64)


def _hash_chunk(column: pl.Series) -> Hashes:
    """Return hashes of texts, eight bytes at a time; a shorter last word is filled with zeros."""
    lengths = column.str.len_bytes().fill_null(0).cast(pl.Int64).to_numpy()
    joined = pl.concat([column.alias(""), _FILL]).str.join("").cast(pl.Binary).item()
    # Every byte of the joined texts as the start of a little-endian word: a view, nothing is copied.
    words = np.ndarray((len(joined) - _WORD + 1,), dtype="<u8", buffer=joined, strides=(1,))
    starts = np.cumsum(lengths) - lengths
    hashes = _mix(lengths.view(np.uint64))
    for start in range(0, len(lengths), _BLOCK):  # so that what is on the way stays in the processor's cache
        block = slice(start, start + _BLOCK)
        _add_words(hashes[block], words, starts[block], lengths[block])
    return hashes


def _add_words(hashes: Hashes, words: Hashes, starts: Ints, lengths: Ints) -> None:
    """Mix the words of each text into its hash, in place."""
    done, rows = 0, None  # None: all of them have a next word
    least, most = int(lengths.min()), int(lengths.max())
    while done < most:
        if done >= least:
            rows = np.flatnonzero(lengths > done)
        first, left = (starts, lengths) if rows is None else (starts[rows], lengths[rows])
        word = words[first + done]
        if done + _WORD > least:
            word &= _MASKS[np.minimum(left - done, _WORD)]
        if rows is None:
            hashes[:] = _mix(hashes ^ word)
        else:
            hashes[rows] = _mix(hashes[rows] ^ word)
        done += _WORD


def _hash_lists(column: pl.Series) -> Hashes:
    """Return hashes of lists: their length and the sum of their items' hashes, each mixed with its place."""
    lengths = column.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    items = column.filter(column.list.len() > 0).explode()
    ends = np.cumsum(lengths)
    places = np.arange(len(items), dtype=np.int64) - np.repeat(ends - lengths, lengths)
    mixed = _mix(_hash_column(items) ^ _mix(places.view(np.uint64)))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    return _mix((sums[ends] - sums[ends - lengths]) ^ _mix(lengths.view(np.uint64)))
