"""What became of the runs of pipelines, kept beside the offline tables: a JSON document for each run.

    <offline>/<project>/pipelines/<environment>/<pipeline>/<time>-<host>-<process>.json

A document is there whole or not at all; it is written anew whenever a stage begins or ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, Literal, get_args

from featurectl.core.documents import parse_json
from featurectl.core.host import HOST
from featurectl.core.units import format_iso, parse_instant
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.process import Process, is_alive, this_process

StageState = Literal["waiting", "running", "succeeded", "failed", "skipped", "stopped"]
PipelineState = Literal["running", "succeeded", "failed", "stopped"]
KEPT: Final = 200  # runs of a pipeline
SEEN_S: Final = 30.0  # between two writings of the record of a run
SILENT: Final = timedelta(minutes=5)
_TIME: Final = "%Y%m%dT%H%M%S%f"
_MOST_BYTES: Final = 4 << 20
_FOLDER: Final = "pipelines"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """What became of a stage: attempts so far, when the last began and ended, its exit code (None: it has none).

    `cause` are the last lines of a failure, `log` the file with all that it wrote, on the machine that ran it.
    """

    name: str
    state: StageState = "waiting"
    attempts: int = 0
    began: str = ""
    ended: str = ""
    exit_code: int | None = None
    timed_out: bool = False
    cause: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRecord:
    """A run of a pipeline. `clock` is its start, which all stages take as now; `as_of` where the run was given one.

    `folder` is where its files are on the machine that runs it, `definition` a digest of the pipeline. `seen` is when
    it was written last: a run does that again and again, so that one elsewhere of which nothing comes is known to be
    gone. `first` is the run that it goes on with, the first of them ("": it goes on with none).
    """

    id: str
    pipeline: str
    environment: str
    clock: str
    as_of: str = ""
    state: PipelineState = "running"
    began: str
    ended: str = ""
    who: str = ""
    process: Process
    folder: str = ""
    definition: str = ""
    seen: str = ""
    first: str = ""
    stages: tuple[StageRecord, ...] = field(default=())

    @property
    def shown_state(self) -> str:
        """The state for people: that of a run whose process is gone is "killed"."""
        return "killed" if self.state == "running" and self._is_gone else self.state

    @property
    def run_id(self) -> str:
        """What the run and those that go on with it have in common, and no other run of any pipeline has."""
        return f"{self.pipeline}/{self.first or self.id}"

    @property
    def _is_gone(self) -> bool:
        alive, seen = is_alive(self.process), parse_instant(self.seen) if self.seen else None
        is_silent = seen is not None and datetime.now(UTC) - seen > SILENT
        return alive is False or (alive is None and is_silent)

    def stage(self, name: str) -> StageRecord | None:
        """Return what became of a stage; None: it was none of the run."""
        return next((stage for stage in self.stages if stage.name == name), None)


def new_id(began: datetime, last: str = "") -> str:
    """Return the ID of a run that begins, behind that of the last one by its text, whatever the clock says."""
    text = f"{began:{_TIME}}"
    before = last.partition("-")[0]
    if before and text <= before:  # the clock was set back since
        later = datetime.strptime(before, _TIME).replace(tzinfo=UTC) + timedelta(microseconds=1)
        text = f"{later:{_TIME}}"
    return f"{text}-{HOST}-{this_process().pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRecords:
    """The records of the runs of pipelines of a project's environment."""

    location: str
    project: str
    environment: str

    def write(self, record: PipelineRecord) -> None:
        """Keep a record in place of an earlier one of the run.

        Raises:
            StoreError: FC603, it can't be written.
        """
        files = open_loose(self.location)
        files.write(f"{self._folder(record.pipeline)}/{record.id}.json", json.dumps(asdict(record)).encode())

    def forget_old(self, pipeline: str) -> None:
        """Remove the records of all but the last 200 runs of a pipeline."""
        files = open_loose(self.location)
        files.remove_files(self._paths(pipeline)[:-KEPT])

    def last(self, pipeline: str, count: int = 1) -> Sequence[PipelineRecord]:
        """Return the last runs of a pipeline, the newest first; what is no record is passed over.

        Raises:
            StoreError: FC603, they can't be read.
        """
        return list(islice(self._newest_first(pipeline), count))

    def since(self, pipeline: str, instant: datetime) -> Sequence[PipelineRecord]:
        """Return the runs of a pipeline that began after an instant, the newest first.

        Raises:
            StoreError: FC603, they can't be read.
        """
        first = f"{instant:%Y%m%dT%H%M%S%f}"
        return list(self._newest_first(pipeline, first))

    def _newest_first(self, pipeline: str, first: str = "") -> Iterator[PipelineRecord]:
        """Give the records whose names come after a text."""
        files = open_loose(self.location)
        for path in reversed(self._paths(pipeline)):
            if path.rpartition("/")[2] < first:
                return
            content = files.read(path, _MOST_BYTES)
            record = None if content is None else _loaded(content)
            if record is not None:
                yield record

    def _folder(self, pipeline: str) -> str:
        return f"{self.project}/{_FOLDER}/{self.environment}/{pipeline}"

    def _paths(self, pipeline: str) -> list[str]:
        marks = open_loose(self.location).marks(self._folder(pipeline))
        return sorted(path for path in marks if path.endswith(".json"))


def _loaded(content: bytes) -> PipelineRecord | None:
    try:
        document = parse_json(content.decode())
        stages = tuple(_of(StageRecord, item) for item in document.pop("stages"))
        process = Process(**document.pop("process"))
        record: PipelineRecord = _of(PipelineRecord, {**document, "stages": stages, "process": process})
    except (ValueError, TypeError, AttributeError, KeyError, LookupError):
        return None
    is_known = record.state in get_args(PipelineState) and all(s.state in get_args(StageState) for s in stages)
    return record if is_known and parse_instant(record.clock) else None


def _of(cls: type[Any], document: Mapping[str, Any]) -> Any:
    """Return an object of those fields that this version knows."""
    return cls(**{key: value for key, value in document.items() if key in cls.__dataclass_fields__})


def instant_text(instant: datetime | None) -> str:
    """Return an instant as a record has it; "" for none."""
    return "" if instant is None else format_iso(instant)
