"""Requests that are carried out once: their idempotency keys, kept in the online store for a day.

Who carries out a request claims its key, and says at the end what came of it. A key lies there as a digest, with one of
the request's body, so that nobody reads either in the store. The store's clock counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex
from typing import Final, Literal, Protocol

from featurectl.online.stream_state.base import StreamSource

KEPT_US: Final = 24 * 3_600 * 1_000_000
LEASE_US: Final = 60_000_000  # after which a claim of which nothing came was of a process that is gone
MOST_KEYS: Final = 100_000  # of a source; the oldest goes first
KeyStatus = Literal["new", "busy", "done", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """A key of a request, and its body, as digests; `token` tells this try of it from all others."""

    name: str
    body: str
    token: str


def request_key(text: str, body: bytes) -> RequestKey:
    """Return the key of a try of a request.

    >>> one, other = request_key("a", b"1"), request_key("a", b"2")
    >>> one.name == other.name, one.body == other.body, one.token == other.token
    (True, False, False)
    """
    name, digest = sha256(text.encode()).hexdigest()[:32], sha256(body).hexdigest()[:32]
    return RequestKey(name=name, body=digest, token=token_hex(8))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyClaim:
    """What is known of a key.

    `new`: it is claimed now. `busy`: another request with it is under way, or was until less than a minute ago.
    `done`: it was carried out, with so many `events`. `other`: it was used for another body.
    """

    status: KeyStatus
    events: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """What a store has under a key: the digest of its body, whose it is ("": it was carried out), and since when."""

    body: str
    token: str
    begun_us: int
    events: int


def claim_known(known: KnownKey | None, key: RequestKey, now_us: int) -> KeyClaim:
    """Return what a claim of a key gives, by what the store has under it; where that is `new` it is written there.

    >>> mine = request_key("a", b"1")
    >>> known = KnownKey(body=mine.body, token="another's", begun_us=0, events=0)
    >>> claim_known(known, mine, LEASE_US - 1).status, claim_known(known, mine, LEASE_US).status
    ('busy', 'new')
    """
    if known is None or known.begun_us <= now_us - KEPT_US:
        return KeyClaim(status="new")
    if known.body != key.body:
        return KeyClaim(status="other")
    if not known.token:
        return KeyClaim(status="done", events=known.events)
    is_busy = known.token != key.token and known.begun_us > now_us - LEASE_US
    return KeyClaim(status="busy" if is_busy else "new")


def place_of_keys(source: StreamSource) -> str:
    """Return under what the keys of a source's requests lie."""
    return f"{source.project}/{source.env}/{source.source}"


class RequestKeys(Protocol):
    """The keys of requests in an online store; of one thread. Every method raises `StoreError` when the store fails."""

    def claim(self, source: StreamSource, keys: Sequence[RequestKey]) -> list[KeyClaim]:
        """Claim keys, one after the other, in one step; a key that its own token has is `new` again."""

    def settle(self, source: StreamSource, keys: Sequence[RequestKey], events: Sequence[int]) -> None:
        """Say that requests were carried out, each with so many events; a claim of another token is left."""

    def release(self, source: StreamSource, keys: Sequence[RequestKey]) -> None:
        """Give claims up: what they are of was not carried out, as far as is known."""

    def close(self) -> None:
        """Give back connections and files."""
