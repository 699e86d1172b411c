"""Where the log of a stream lies, and the events that were no events of it.

    <offline>/<project>/_streams/<environment>/<source>/events       the log, see `event_log`
    <offline>/<project>/_streams/<environment>/<source>/rejected     what was rejected, with the reason

Environments that share an offline store have their own logs: each has workers of its own, which stamp by themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import StoreError
from featurectl.core.variables import shown_location

STREAMS: Final = "_streams"  # no view is called so: names begin with a letter
_EVENTS: Final = "events"
_REJECTED: Final = "rejected"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")  # of a source, as the language has them


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlace:
    """A folder or URL of what is kept of a stream's source, and what errors call it."""

    location: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlaces:
    """The places of an environment's streams in an offline store, `shown` as it is written in the files."""

    offline: str
    project: str
    environment: str
    shown: str = ""

    def log(self, source: str) -> StreamPlace:
        """Return where the events of a source are.

        Raises:
            StoreError: FC603, the name is none of the language: it may lead anywhere.

        >>> StreamPlaces(offline="s3://shop/", project="p", environment="prod").log("swipes").location
        's3://shop/p/_streams/prod/swipes/events'
        """
        return self._below(source, _EVENTS)

    def rejected(self, source: str) -> StreamPlace:
        """Return where the events are that workers rejected."""
        return self._below(source, _REJECTED)

    def _below(self, source: str, table: str) -> StreamPlace:
        if not _NAME.fullmatch(source):
            raise StoreError(f"{source!r} is no name of a source: no log is kept by it", code="FC603")
        below = f"{self.project}/{STREAMS}/{self.environment}/{source}/{table}"
        shown = (self.shown or shown_location(self.offline)).rstrip("/")
        return StreamPlace(location=f"{self.offline.rstrip('/')}/{below}", shown=f"{shown}/{below}")
