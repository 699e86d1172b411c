"""Rows of erased keys, found among many: a hash of each row's key, and a digest of the few that it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from featurectl.core.erasures import Erasures, text_digest
from featurectl.pit.hashing import hash_rows
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_WORDS: Final = 2  # of 64 bits, of the secret
_UNTIL: Final = "\x00until"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedRows:
    """What finds the rows of an entity's erased keys in frames.

    `columns` maps the entity's keys to the columns of the frames that hold them, each of which a frame has.
    """

    erasures: Erasures
    entity: str
    columns: Mapping[str, str]

    def __bool__(self) -> bool:
        """Return whether any key of the entity was erased."""
        return bool(self.erasures.of(self.entity))

    def are(self, frame: pl.DataFrame, *times: str) -> pl.Series:
        """Return of each row whether it is erased: its key is, and one of its times is not after its tombstone's.

        A null time is before every tombstone, and so is a row where no times are named; a null in a key is of no
        erased one. Times are instants in UTC.
        """
        erased = pl.zeros(frame.height, dtype=pl.Boolean, eager=True).alias("erased")
        if frame.is_empty():
            return erased
        quick = {keys: self._quick(keys) for keys in self.erasures.digests_of(self.entity)}
        for keys, known in self.erasures.digests_of(self.entity).items():
            texts = frame.select(pl.col(self.columns[key]).cast(pl.String).alias(key) for key in keys)
            suspects = quick_hashes(self.erasures.secret, texts).is_in(quick[keys])
            if not suspects.any():
                continue
            found = _confirmed(texts.filter(suspects), self.erasures.secret, known)
            until = pl.Series(_UNTIL, found, dtype=pl.Datetime("us", "UTC"))
            chosen = frame.filter(suspects).with_columns(until)
            erased = erased | _scattered(suspects, chosen.select(_is_until(times)).to_series())
        return erased

    def without(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a view's table that are not erased."""
        return frame.filter(~self.are(frame, EVENT_TIME, AVAILABLE_AT)) if self else frame

    def _quick(self, keys: tuple[str, ...]) -> list[int]:
        return sorted({item.quick for item in self.erasures.of(self.entity) if item.keys == keys})


def quick_hashes(secret: bytes, texts: pl.DataFrame) -> pl.Series:
    """Return a number (Int64) of each row of texts, made with the secret; few rows have the same one by chance."""
    words = np.frombuffer(secret[: 8 * _WORDS], dtype="<u8")
    hashes = hash_rows(texts).to_numpy().view(np.uint64)
    for word in words:
        hashes = hash_rows(pl.DataFrame({"hash": (hashes ^ word).view(np.int64)})).to_numpy().view(np.uint64)
    return pl.Series("quick", hashes.view(np.int64))


def quick_hash(secret: bytes, texts: Sequence[str]) -> int:
    """Return the number of one row of texts."""
    frame = pl.DataFrame({str(place): [text] for place, text in enumerate(texts)})
    return int(quick_hashes(secret, frame).item())


def _confirmed(texts: pl.DataFrame, secret: bytes, known: Mapping[str, datetime]) -> list[datetime | None]:
    """Return of each row until when its key is erased; None: it is not, whatever the quicker hash said."""
    seen: dict[tuple[str | None, ...], datetime | None] = {}
    for row in texts.unique().rows():
        whole = [part for part in row if part is not None]
        seen[row] = known.get(text_digest(secret, whole)) if len(whole) == len(row) else None
    return [seen[row] for row in texts.iter_rows()]


def _is_until(times: Sequence[str]) -> pl.Expr:
    """Return whether a row's key is erased, and one of its times is not after that."""
    if not times:
        return pl.col(_UNTIL).is_not_null()
    early = [(pl.col(time).is_null() | (pl.col(time) <= pl.col(_UNTIL))) for time in times]
    return pl.col(_UNTIL).is_not_null() & pl.any_horizontal(early)


def _scattered(where: pl.Series, values: pl.Series) -> pl.Series:
    """Return a Boolean per place: the values in their order where one is wanted, false elsewhere."""
    whole = np.zeros(len(where), dtype=bool)
    whole[where.to_numpy()] = values.fill_null(value=False).to_numpy()
    return pl.Series("erased", whole)
