"""What became of runs, kept beside the offline tables: a JSON document per view and run.

    <offline>/<project>/runs/<environment>/<day>/<time>-<host>-<process>-<number>.json

`day` is that of the run's now, `time` that of the clock when it began. A document is there whole or not at all: one
says that the run began, and another takes its place when it ends. Of a run that was killed the first one stays.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

from featurectl.core.documents import parse_json
from featurectl.core.errors import StoreError
from featurectl.core.host import HOST
from featurectl.core.units import format_instant, format_iso, parse_instant
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.plain_files import LooseFiles
from featurectl.offline.process import Process, is_alive, this_process

STREAM_RUN: Final = "stream run"  # the command whose runs go on for long: one that does so is not to be waited for
KEPT: Final = timedelta(days=90)
LOST: Final = timedelta(days=1)  # a run elsewhere that has not ended for so long is taken to be killed
_AT_ONCE: Final = 16  # requests to an object store
_KNOWN: Final = 50_000  # records that are kept in memory, for whoever looks again and again
_MOST_BYTES: Final = 4 << 20  # of a record; those of thousands of checks have less
_MOST_ERROR: Final = 10_000  # characters
_ENDLESS_S: Final = 1e10  # of a run: no duration that can be shown
_State = Literal["ended", "running", "unseen"]
_NUMBERS: Final = itertools.count(1)
_READ: Final[dict[tuple[str, str, str], RunRecord | None]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """What came of a check in a run: `source_or_view` is "source arrivals" or "feature view delays"."""

    source_or_view: str
    check: str
    severity: str
    failed: int
    rows: int
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run of `command` for one view version, which began at `at - seconds`, by the clock.

    Commands are materialize, push, and stream run. `now` is the instant of the run. `action` is what was done (first,
    append, rebuild, backfill, nothing; push; stream), "" when it failed before; `error` is empty when all was done.
    `rows` are those written, or sent, or the events that workers took. `state` is "ended"
    also of one that was killed, as its error says; "unseen" is one elsewhere, of which nobody here knows whether it
    still runs. `gaps` are instants between which stamps of a stream were lost.
    """

    at: datetime
    now: datetime
    environment: str
    command: str
    view: str
    version: int
    action: str
    rows: int
    seconds: float
    error_code: str = ""
    error: str = ""
    checks: tuple[CheckRecord, ...] = ()
    gaps: tuple[tuple[str, str], ...] = ()
    state: _State = "ended"
    process: Process | None = None  # that runs, or was killed

    @property
    def label(self) -> str:
        """The view version as people write it."""
        return f"{self.view}@{self.version}"

    @property
    def begun_at(self) -> datetime:
        """When it began, by the clock."""
        return self.at - timedelta(seconds=self.seconds)

    @property
    def done(self) -> bool:
        """True when all that was to be done was done, or is being done by workers on a stream."""
        goes_on = self.command == STREAM_RUN and self.state != "ended"
        return goes_on or (self.state == "ended" and not (self.error or self.error_code))


def begun(record: RunRecord) -> RunRecord:
    """Return the record of a run of this process that has just begun."""
    return replace(record, state="running", process=this_process())


def write_run(location: str, project: str, record: RunRecord, *, name: str = "", forget: bool = False) -> str:
    """Keep the record of a run and return its name, by which the record of its end takes this one's place.

    With `forget`, remove those that are 90 days older, once a day.

    Raises:
        UsageError: the library for an object store is not installed.
        StoreError: FC603, it can't be written.
    """
    if "://" not in location and not Path(location).is_dir():  # a disk that is gone is not to look as if it were there
        raise StoreError("the offline folder is not there", code="FC603")
    files, runs = open_loose(location), _folder(project, record.environment)
    day = f"{record.now:%Y-%m-%d}"
    if forget and not name and day not in files.folders(runs):
        _forget(files, runs, (record.now - KEPT).date())
    name = name or f"{record.at:%H%M%S%f}-{HOST}-{this_process().pid}-{next(_NUMBERS)}.json"
    files.write(f"{runs}/{day}/{name}", json.dumps(_document(record), ensure_ascii=False).encode())
    return name


def read_runs(
    location: str, project: str, environment: str, since: datetime, *, unended: bool = False
) -> Sequence[RunRecord]:
    """Return the records of runs whose now is `since` or later, by their now, then by the clock.

    A run that was killed is one that failed. Those that have not ended are left out, unless `unended`. What is no
    record is passed over: somebody else's file, or one that is being removed.

    Raises:
        UsageError: the library for an object store is not installed.
        StoreError: FC603, they can't be read.
    """
    files, clock = open_loose(location), datetime.now(UTC)
    folders = [folder for folder, day in _days(files, _folder(project, environment)) if day >= since.date()]
    with ThreadPoolExecutor(_AT_ONCE if "://" in location else 1) as pool:
        marks = [item for some in pool.map(files.marks, folders) for item in some.items() if item[0].endswith(".json")]
        found = list(pool.map(lambda item: _recorded(location, files, *item), sorted(marks)))
    known = [_ended(record, clock) for record in found if record is not None and record.now >= since]
    return sorted((r for r in known if unended or r.state == "ended"), key=lambda r: (r.now, r.at))


def _ended(record: RunRecord, clock: datetime) -> RunRecord:
    """Return a record with what is known by now of a run that has not recorded its end."""
    if record.state == "ended" or record.process is None:
        return replace(record, state="ended")
    alive, where = is_alive(record.process), f"process {record.process.pid} on {record.process.host}"
    if alive:
        return record
    if alive is None and clock - record.at < LOST:
        return replace(record, state="unseen")
    return replace(
        record, state="ended", error=f"killed: {where}, begun {format_instant(record.begun_at)}, has recorded no end"
    )


def _folder(project: str, environment: str) -> str:
    return f"{project}/runs/{environment}"


def _days(files: LooseFiles, runs: str) -> Iterator[tuple[str, date]]:
    for name in files.folders(runs):
        with suppress(ValueError):
            yield f"{runs}/{name}", date.fromisoformat(name)


def _forget(files: LooseFiles, runs: str, before: date) -> None:
    for folder, day in _days(files, runs):
        if day < before:
            with suppress(StoreError):  # another run removes it, too
                files.remove(folder)


def _document(record: RunRecord) -> dict[str, object]:
    record = replace(record, error=record.error[:_MOST_ERROR])
    return asdict(record) | {"at": format_iso(record.at), "now": format_iso(record.now), "format": 1}


def _recorded(location: str, files: LooseFiles, path: str, mark: str) -> RunRecord | None:
    """Return the record of a document; None for one that is none. It is read once, as long as its mark is the same."""
    key = (location, path, mark)
    with suppress(KeyError):  # no question beforehand whether it is there: other threads make room, too
        return _READ[key]
    found = _parsed(files.read(path, _MOST_BYTES) or b"")
    if len(_READ) >= _KNOWN:
        _READ.clear()
    _READ[key] = found
    return found


def _parsed(content: bytes) -> RunRecord | None:
    """Return the record that a document holds; None when it is none. Keys of a later version are passed over."""
    try:
        return _load(parse_json(content))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _load(given: Mapping[str, Any]) -> RunRecord:
    checks = tuple(CheckRecord(**_known(CheckRecord, check)) for check in given.get("checks", ()))
    gaps = tuple((str(after), str(until)) for after, until in given.get("gaps", ()))
    instants = {name: _instant(given[name]) for name in ("at", "now")}
    process = Process(**_known(Process, given["process"])) if given.get("process") else None
    return RunRecord(**{**_known(RunRecord, given), **instants, "checks": checks, "gaps": gaps, "process": process})


def _known(kind: type[CheckRecord | Process | RunRecord], given: Mapping[str, Any]) -> dict[str, Any]:
    fields = {field.name: field.type for field in kind.__dataclass_fields__.values() if field.name in given}
    for name, hint in fields.items():
        if not _fits(given[name], str(hint)):
            raise ValueError(name)
    return {name: given[name] for name in fields}


def _fits(value: object, hint: str) -> bool:
    """Return whether a value is what a record may hold: others read, add up and show it."""
    match hint:
        case "str":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _ENDLESS_S
        case "_State":
            return value in get_args(_State)
    return True  # the others are read by themselves


def _instant(text: str) -> datetime:
    instant = parse_instant(text)
    if instant is None:
        raise ValueError(text)
    return instant
