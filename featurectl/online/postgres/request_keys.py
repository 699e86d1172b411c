"""The keys of requests in PostgreSQL: a table beside those of view versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Final, TypeVar

from featurectl.online.postgres.connect import PostgresLink, Session, checked_address
from featurectl.online.postgres.migrations.steps import SCHEMA
from featurectl.online.postgres.schema_upgrade import StoreSchema
from featurectl.online.request_keys import (
    KEPT_US,
    MOST_KEYS,
    KeyClaim,
    KnownKey,
    RequestKey,
    claim_known,
    place_of_keys,
)
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.protocols import MicrosecondClock

T = TypeVar("T")
_TABLE: Final = f"{SCHEMA}.request_keys"
_CLOCK: Final = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint"
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(%s, 7310582948))"
_FIND: Final = f"select body, token, begun_us, events from {_TABLE} where place = %s and name = %s"
_CLAIM: Final = f"""
insert into {_TABLE} (place, name, body, token, begun_us, events) values (%s, %s, %s, %s, %s, 0)
on conflict (place, name) do update set body = excluded.body, token = excluded.token, begun_us = excluded.begun_us,
events = 0
"""
_SETTLE: Final = f"update {_TABLE} set token = '', events = %s where place = %s and name = %s and token = %s"
_RELEASE: Final = f"delete from {_TABLE} where place = %s and name = %s and token = %s"
_FORGET: Final = f"delete from {_TABLE} where place = %s and begun_us <= %s"
_EXCESS: Final = f"select begun_us from {_TABLE} where place = %s order by begun_us desc limit 1 offset %s"
_TRIM_EVERY: Final = 64  # claims: to count them all takes milliseconds


class PostgresRequestKeys:
    """A `RequestKeys` in PostgreSQL, by the server's clock. The table has some more than `most` keys for a while."""

    def __init__(
        self, url: str, shown: str, limit_s: float, clock: MicrosecondClock | None = None, most: int = MOST_KEYS
    ) -> None:
        self._link = PostgresLink(checked_address(url, shown), limit_s)
        self._ready = StoreSchema(self._link)
        self._clock = clock
        self._most = most
        self._claims = count()

    def claim(self, source: StreamSource, keys: Sequence[RequestKey]) -> list[KeyClaim]:
        """Claim keys, one after the other, in one transaction; claims of one source come one after the other."""
        place = place_of_keys(source)

        def claim(session: Session) -> list[KeyClaim]:
            session.execute(_LOCK.encode(), (place,))
            now_us = self._now_us(session)
            if next(self._claims) % _TRIM_EVERY == 0:
                self._trim(session, place, now_us)
            return [_claim(session, place, key, now_us) for key in keys]

        return self._write(claim)

    def settle(self, source: StreamSource, keys: Sequence[RequestKey], events: Sequence[int]) -> None:
        """Say that requests were carried out."""
        rows = [(number, place_of_keys(source), key.name, key.token) for key, number in zip(keys, events, strict=True)]
        self._write(lambda session: session.cursor().executemany(_SETTLE.encode(), rows))

    def release(self, source: StreamSource, keys: Sequence[RequestKey]) -> None:
        """Give claims up."""
        rows = [(place_of_keys(source), key.name, key.token) for key in keys]
        self._write(lambda session: session.cursor().executemany(_RELEASE.encode(), rows))

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def _write(self, use: Callable[[Session], T]) -> T:
        self._ready.ensure()
        return self._link.write(use)

    def _now_us(self, session: Session) -> int:
        if self._clock is not None:
            return self._clock()
        [now_us] = session.execute(_CLOCK.encode()).fetchone() or (0,)
        return int(now_us)

    def _trim(self, session: Session, place: str, now_us: int) -> None:
        session.execute(_FORGET.encode(), (place, now_us - KEPT_US))
        excess = session.execute(_EXCESS.encode(), (place, self._most)).fetchone()
        if excess is not None:
            session.execute(_FORGET.encode(), (place, excess[0]))


def _claim(session: Session, place: str, key: RequestKey, now_us: int) -> KeyClaim:
    found = session.execute(_FIND.encode(), (place, key.name)).fetchone()
    known = None if found is None else KnownKey(body=found[0], token=found[1], begun_us=found[2], events=found[3])
    claim = claim_known(known, key, now_us)
    if claim.status == "new":
        session.execute(_CLAIM.encode(), (place, key.name, key.body, key.token, now_us))
    return claim
