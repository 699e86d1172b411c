"""API keys: who may ask."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from featurectl.serving.http.problems import Refused


class ApiKeys:
    """The keys of a server; without one nobody is asked for any."""

    def __init__(self, keys: Sequence[bytes], called: str = "an API key") -> None:
        self._keys = tuple(keys)
        self._called = called

    def allow(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Return whether a request has a key, if one is needed."""
        if not self._keys:
            return True
        given = dict(headers)
        kind, _, token = given.get(b"authorization", b"").partition(b" ")
        key = token.strip() if kind.lower() == b"bearer" else given.get(b"x-api-key", b"").strip()
        # Every key is compared, each in the same time whatever it shares with the one given.
        return max([hmac.compare_digest(key, known) for known in self._keys])

    def check(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """See that a request has a key, if one is needed.

        Raises:
            Refused: 401, it has none of them.
        """
        if not self.allow(headers):
            raise Refused(401, f"{self._called} is needed", hint="authorization: Bearer KEY, or x-api-key: KEY")
