"""What became of runs, kept beside the offline tables: a JSON document per view and run.

    <offline>/<project>/runs/<environment>/<day>/<time>-<host>-<process>-<number>.json

`day` is that of the run's now, `time` that of the clock when it ended. A document is there whole or not at all.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from featurectl.units import format_iso, parse_instant

KEPT: Final = timedelta(days=90)
_HOST: Final = "".join(c if c.isalnum() else "_" for c in socket.gethostname())
_NUMBERS: Final = itertools.count(1)


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
    """A run of `command` (materialize, push) for one view version, which began at `at - seconds`, by the clock.

    `now` is the instant of the run. `action` is what was done (append, rebuild, backfill, nothing; push), "" when it
    failed before; `error` is empty when all was done. `rows` are those written, or sent.
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

    @property
    def label(self) -> str:
        """The view version as people write it."""
        return f"{self.view}@{self.version}"

    @property
    def done(self) -> bool:
        """True when all that was to be done was done."""
        return not (self.error or self.error_code)


def keeps_runs(location: str) -> bool:
    """Return whether an offline store keeps records of runs: a folder does, an object store does not.

    >>> keeps_runs("/srv/features"), keeps_runs("s3://bucket/features")
    (True, False)
    """
    return "://" not in location


def write_run(location: str, project: str, record: RunRecord, *, forget: bool = False) -> None:
    """Keep the record of a run; with `forget`, remove those that are 90 days older, once a day.

    Raises:
        OSError: it can't be written.
    """
    if not keeps_runs(location):
        return
    if not Path(location).is_dir():  # a disk that is not there is not to look as if it were
        raise FileNotFoundError(errno.ENOENT, "the offline folder is not there")
    runs = _folder(location, project, record.environment)
    folder = runs / f"{record.now:%Y-%m-%d}"
    fresh = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{record.at:%H%M%S%f}-{_HOST}-{os.getpid()}-{next(_NUMBERS)}.json"
    part = folder / f".{name}.{secrets.token_hex(4)}.part"
    try:
        part.write_text(json.dumps(_document(record), ensure_ascii=False), encoding="utf-8")
        part.replace(folder / name)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    if fresh and forget:
        _forget(runs, (record.now - KEPT).date())


def read_runs(location: str, project: str, environment: str, since: datetime) -> Sequence[RunRecord]:
    """Return the records of runs whose now is `since` or later, by their now, then by the clock.

    What can't be read, or is no record, is left out: somebody else's file, or one that is being removed.
    """
    if not keeps_runs(location):
        return []
    runs = _folder(location, project, environment)
    days = [folder for folder, day in _days(runs) if day >= since.date()]
    found = [record for folder in days for path in _documents(folder) if (record := _read(path)) is not None]
    return sorted((r for r in found if r.now >= since), key=lambda r: (r.now, r.at))


def _folder(location: str, project: str, environment: str) -> Path:
    return Path(location) / project / "runs" / environment


def _days(runs: Path) -> Iterator[tuple[Path, date]]:
    for folder in _listed(runs):
        with suppress(ValueError):
            yield folder, date.fromisoformat(folder.name)


def _documents(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if path.suffix == ".json" and not path.name.startswith(".")]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _forget(runs: Path, before: date) -> None:
    for folder, day in _days(runs):
        if day < before:
            shutil.rmtree(folder, ignore_errors=True)


def _document(record: RunRecord) -> dict[str, object]:
    return asdict(record) | {"at": format_iso(record.at), "now": format_iso(record.now), "format": 1}


def _read(path: Path) -> RunRecord | None:
    """Return the record of a document; None for one that is none. Keys of a later version are passed over."""
    try:
        return _load(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _load(given: Mapping[str, Any]) -> RunRecord:
    checks = tuple(CheckRecord(**_known(CheckRecord, check)) for check in given.get("checks", ()))
    instants = {name: _instant(given[name]) for name in ("at", "now")}
    return RunRecord(**{**_known(RunRecord, given), **instants, "checks": checks})


def _known(kind: type[CheckRecord | RunRecord], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in kind.__dataclass_fields__ if name in given}


def _instant(text: str) -> datetime:
    instant = parse_instant(text)
    if instant is None:
        raise ValueError(text)
    return instant
