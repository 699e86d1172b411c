"""The keys of requests in a SQLite file: a table beside those of streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from featurectl.online.request_keys import (
    KEPT_US,
    MOST_KEYS,
    KeyClaim,
    KnownKey,
    RequestKey,
    claim_known,
    place_of_keys,
)
from featurectl.online.sqlite.stream_file import SqliteStep, StreamFile, StreamFilePlace, host_clock
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.protocols import MicrosecondClock

_TABLE: Final = """
create table if not exists request_keys(
    place text not null, name text not null, body text not null, token text not null, begun_us integer not null,
    events integer not null, primary key (place, name)) without rowid
"""
_INDEX: Final = "create index if not exists request_keys_begun on request_keys(place, begun_us)"
_FIND: Final = "select body, token, begun_us, events from request_keys where place = ? and name = ?"
_CLAIM: Final = "insert or replace into request_keys values (?, ?, ?, ?, ?, 0)"
_SETTLE: Final = "update request_keys set token = '', events = ? where place = ? and name = ? and token = ?"
_RELEASE: Final = "delete from request_keys where place = ? and name = ? and token = ?"
_FORGET: Final = "delete from request_keys where place = ? and begun_us <= ?"
_EXCESS: Final = "select begun_us from request_keys where place = ? order by begun_us desc limit 1 offset ?"
_TRIM_EVERY: Final = 64  # claims: to count them all takes milliseconds


class SqliteRequestKeys:
    """A `RequestKeys` in the file of an online store. The table has some more than `most` keys for a while."""

    def __init__(
        self, path: Path, shown: str, wait_s: float, clock: MicrosecondClock = host_clock, most: int = MOST_KEYS
    ) -> None:
        self._file = StreamFile(StreamFilePlace(path=path, shown=shown, wait_s=wait_s, clock=clock), pinned=False)
        self._clock = clock
        self._most = most
        self._claims = count()

    def claim(self, source: StreamSource, keys: Sequence[RequestKey]) -> list[KeyClaim]:
        """Claim keys, one after the other, in one transaction."""
        place, now_us = place_of_keys(source), self._clock()
        with self._transaction() as step:
            if next(self._claims) % _TRIM_EVERY == 0:
                self._trim(step, place, now_us)
            return [_claim(step, place, key, now_us) for key in keys]

    def settle(self, source: StreamSource, keys: Sequence[RequestKey], events: Sequence[int]) -> None:
        """Say that requests were carried out."""
        place = place_of_keys(source)
        rows = [(number, place, key.name, key.token) for key, number in zip(keys, events, strict=True)]
        with self._transaction() as step:
            step.executemany(_SETTLE, rows)

    def release(self, source: StreamSource, keys: Sequence[RequestKey]) -> None:
        """Give claims up."""
        place = place_of_keys(source)
        with self._transaction() as step:
            step.executemany(_RELEASE, [(place, key.name, key.token) for key in keys])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _transaction(self) -> Iterator[SqliteStep]:
        with self._file.transaction() as step:
            step.execute(_TABLE)
            step.execute(_INDEX)
            yield step

    def _trim(self, step: SqliteStep, place: str, now_us: int) -> None:
        step.execute(_FORGET, (place, now_us - KEPT_US))
        excess = step.execute(_EXCESS, (place, self._most)).fetchone()
        if excess is not None:
            step.execute(_FORGET, (place, excess[0]))


def _claim(step: SqliteStep, place: str, key: RequestKey, now_us: int) -> KeyClaim:
    found = step.execute(_FIND, (place, key.name)).fetchone()
    known = None if found is None else KnownKey(body=found[0], token=found[1], begun_us=found[2], events=found[3])
    claim = claim_known(known, key, now_us)
    if claim.status == "new":
        step.execute(_CLAIM, (place, key.name, key.body, key.token, now_us))
    return claim
