"""How a server runs: what it serves, where it listens, what a request may cost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from featurectl.serving.journal import LogFormat

KEYS_VARIABLE: Final = "FEATURECTL_API_KEYS"
EVENT_KEYS_VARIABLE: Final = "FEATURECTL_EVENT_KEYS"
SETTINGS_VARIABLE: Final = "FEATURECTL_SERVE_SETTINGS"  # for the processes of `--workers`


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """The options of `featurectl serve`; `as_of` is an instant as text, "" for the clock.

    A request is answered within `timeout_s`, and the online store within `store_timeout_s` of it. A connection that
    has not sent its whole request `timeout_s` after it began is closed. `max_values` bounds rows by what is answered of
    each, which is what a request costs. `reload_s` is how often the registry is looked at, `judge_s` how often running
    canaries are judged. A server that is to stop goes on for `drain_s` at most. A connection that asks nothing is
    closed after `keep_alive_s`; an address has `max_connections` to a process. `environ` has the API keys: none means
    that nobody is asked for one.

    `events`: events of streams are taken, of a request all or none, and it is answered within `event_timeout_s`. It has
    `max_events` at most, and `max_event_requests` of them are under way in a process.
    """

    root: str
    env: str | None = None
    as_of: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    timeout_s: float = 1.0
    store_timeout_s: float = 0.25
    max_body_bytes: int = 1 << 20
    max_rows: int = 1_000
    max_values: int = 250_000
    reload_s: float = 2.0
    judge_s: float = 10.0
    allow_pickle: bool = False
    access_log: bool = False
    drain_s: float = 5.0
    keep_alive_s: float = 75.0
    max_connections: int = 1_024
    log_format: LogFormat = "text"
    events: bool = False
    event_timeout_s: float = 5.0
    max_events: int = 1_000
    max_event_requests: int = 256

    @property
    def folder(self) -> Path:
        """The repository's root."""
        return Path(self.root)


def dump_settings(settings: ServeSettings) -> str:
    """Return settings as text.

    >>> load_settings(dump_settings(ServeSettings(root="/repo", port=8001))).port
    8001
    """
    return json.dumps(asdict(settings))


def load_settings(text: str) -> ServeSettings:
    """Return settings from their text."""
    return ServeSettings(**json.loads(text))


def api_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys of a list with commas.

    >>> api_keys("a, b,,")
    (b'a', b'b')
    """
    return tuple(key.strip().encode() for key in text.split(",") if key.strip())
