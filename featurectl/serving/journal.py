"""What a server says of itself while it runs: a line for each event, on stderr, as text or as JSON.

    2026-01-08T09:00:01.204Z info serving [4711]: click@1 (champion), 3 views, registry serial 3
    {"time":"2026-01-08T09:00:01.204Z","level":"info","event":"serving","process":4711,"message":"...","serial":3}

Nothing is said of a server that only goes on. What happens again and again is reported once, until it has ended.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Final, Literal

from featurectl.core.secrets import hide, variable_secrets

Level = Literal["info", "warning", "error"]
LogFormat = Literal["text", "json"]
_FRAMES: Final = 6
_LEVELS: Final[Mapping[int, Level]] = {logging.INFO: "info", logging.WARNING: "warning"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """Something that happened to a process of a server: `name` and `details` are for machines, `message` for people."""

    at: datetime
    name: str
    message: str
    level: Level = "info"
    process: int = 0
    details: Mapping[str, object] = field(default_factory=dict)


def render_event(event: ServerEvent) -> str:
    r"""Return an event as a line of text.

    >>> at = datetime(2026, 1, 8, 9, 0, 1, 204_000, UTC)
    >>> render_event(ServerEvent(at=at, name="store_back", message="after 3 s\nor so", process=7))
    '2026-01-08T09:00:01.204Z info store_back [7]: after 3 s or so'
    """
    message = " ".join(event.message.split())
    return f"{_instant(event.at)} {event.level} {event.name} [{event.process}]: {message}"


def event_json(event: ServerEvent) -> str:
    """Return an event as a line of JSON; its details stand behind what every event has."""
    always = {"time": _instant(event.at), "level": event.level, "event": event.name, "process": event.process}
    document = always | {"message": event.message} | dict(event.details)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


@cache
def _secrets() -> frozenset[str]:
    return frozenset(variable_secrets(os.environ))


def _hide(text: str) -> str:
    return hide(text, _secrets())


def _write(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more, or its disk is full: serving goes on
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _clock() -> datetime:
    return datetime.now(UTC)


class Journal:
    """Reports events, from any thread."""

    def __init__(
        self,
        form: LogFormat = "text",
        write: Callable[[str], None] = _write,
        clock: Callable[[], datetime] = _clock,
        hide: Callable[[str], str] = _hide,
    ) -> None:
        self._render = event_json if form == "json" else render_event
        self._write = write
        self._clock = clock
        self._hide = hide  # what drivers say is not ours
        self._lasting: dict[tuple[str, str], tuple[str, datetime]] = {}  # by event and `of`: what lasts, since when
        self._lock = threading.Lock()

    def report(self, name: str, message: str, level: Level = "info", **details: object) -> None:
        """Report an event."""
        message = self._hide(message)  # before it is written as JSON, which escapes what a secret may hold
        known = {key: self._hide(value) if isinstance(value, str) else value for key, value in details.items()}
        event = ServerEvent(
            at=self._clock(), name=name, message=message, level=level, process=os.getpid(), details=known
        )
        line = self._render(event)
        with self._lock:
            self._write(line)

    def begin(self, name: str, message: str, level: Level = "error", of: str = "", **details: object) -> None:
        """Report a trouble that lasts, unless it was reported in these words and has not ended; `of` is whose it is."""
        before = self._lasting.get((name, of))
        if before is None or before[0] != message:
            self._lasting[name, of] = (message, before[1] if before else self._clock())
            self.report(name, message, level, **details)

    def end(self, name: str, ended: str, of: str = "") -> None:
        """Report, as event `ended`, that a trouble is over; nothing where there was none."""
        before = self._lasting.pop((name, of), None)
        if before is not None:
            seconds = round((self._clock() - before[1]).total_seconds(), 1)
            self.report(ended, f"{of} after {seconds:g} s".lstrip(), seconds=seconds)

    def fault(self, error: BaseException) -> None:
        """Report a fault of ours, with where it was: it is never the fault of a request."""
        trace = "".join(traceback.format_exception(error))
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
        self.report("fault", f"{type(error).__name__}: {error} ({where})", "error", traceback=trace)


class JournalHandler(logging.Handler):
    """Hands what a library logs to a journal."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._journal = Journal(form)

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record: that of a request as `request`, any other as `log`."""
        name = "request" if record.name == "uvicorn.access" else "log"
        self._journal.report(name, record.getMessage(), _LEVELS.get(record.levelno, "error"))


def log_config(form: LogFormat) -> dict[str, object]:
    """Return how the library that serves logs: through a journal, its own formats and colours left out."""
    handler = {"()": f"{__name__}.{JournalHandler.__name__}", "form": form}
    levels = {"uvicorn": "ERROR", "uvicorn.access": "INFO"}  # of requests that are no HTTP there is a line each below
    loggers = {name: {"handlers": ["journal"], "level": level, "propagate": False} for name, level in levels.items()}
    return {"version": 1, "disable_existing_loggers": False, "handlers": {"journal": handler}, "loggers": loggers}
