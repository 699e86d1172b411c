"""A part of a batch of scores, scored beside the others; who ends last writes the output of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from featurectl.core.errors import DataError, StoreError, TryAgainError, UsageError
from featurectl.core.units import counted, format_instant, plural
from featurectl.engines.spill import SpillRoom
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.scoring.checkpoint import KEPT_FOR, ScoreCheckpoint, open_checkpoint
from featurectl.operations.scoring.destination import FileDestination
from featurectl.operations.scoring.part_number import PartNumber, rows_of_part
from featurectl.operations.scoring.run import ScoreKeeper, range_rows, score_ranges, scored_rows
from featurectl.operations.scoring.score_model import (
    JobStart,
    ScoreRequest,
    ScoreResult,
    check_destination,
    checkpoints_folder,
)
from featurectl.operations.scoring.scorer import scoring_libraries
from featurectl.operations.scoring.shared_run import (
    PartsBeginning,
    ScoredRange,
    SharedRun,
    first_missing,
    old_folders,
    output_folder,
    parts_folder,
)
from featurectl.operations.training.unknown_keys import UnknownRows
from featurectl.registry.applied import choose_usable
from featurectl.workspace.applied_workspace import read_applied

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.models.runtimes.base import Scores
    from featurectl.operations.scoring.job import Job, SeenRows
    from featurectl.registry.state import ModelVersion
    from featurectl.workspace.workspace import Workspace

_TRIES: Final = 5  # to join the run that another part has begun meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """A part that is done: its rows, and the numbers of the parts that are not.

    `scores` is what is written where this part was the last one; `committer` the part that writes it, or has.
    """

    part: PartNumber
    version: ModelVersion
    rows: int
    missing: tuple[int, ...] = ()
    committer: int | None = None
    scores: ScoreResult | None = None


def score_part(workspace: Workspace, request: ScoreRequest, part: PartNumber, progress: Progress) -> PartResult:
    """Score a part of the rows; where all parts are done, write the output.

    All see the tables, the instant, the version and the spine of the one that has begun. A run that has an ID is one
    alone: a part of it that comes again after the output is written has nothing to do.

    Raises:
        As `score_model`; UsageError: the others were begun with other arguments; FC520: with another spine.
        TryAgainError: the run was begun anew meanwhile, or another process scores this part.
    """
    clock = datetime.now(UTC)
    applied = read_applied(workspace, progress)
    chosen = choose_usable(applied.state, request.model, request.which)
    check_destination(workspace, request)
    shared = _open_shared(workspace, request, clock)
    own = {"out": request.to.shown, "part": [part.number, part.of, _output(request)]}
    with (
        SpillRoom(workspace.spill_folder()) as room,
        open_checkpoint(checkpoints_folder(workspace), own, clock) as scratch,
    ):
        start = JobStart(applied=applied, request=request, room=room, checkpoint=scratch, progress=progress)
        for attempt in range(_TRIES):
            begun = shared.join(clock, is_once=request.run_id is not None)
            if request.restart and attempt == 0:
                begun = None
            _check_arguments(begun, request, part)
            version = chosen if begun is None else choose_usable(applied.state, request.model, str(begun.version))
            if begun is not None and shared.is_committed():
                return PartResult(part=part, version=version, rows=len(rows_of_part(part, begun.saw.rows)))
            job = start.job(workspace, version, clock)
            seen = job.look(None if begun is None else begun.saw)
            if begun is not None or shared.begin(_beginning(request, part, version, seen, clock)):
                result = _Part(part=part, job=job, seen=seen, shared=shared, scratch=scratch).run(request)
                applied.sources.report()
                return result
    raise TryAgainError(f"{part} can't join the others: the run is begun anew all the time")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of a run that has begun."""

    part: PartNumber
    job: Job
    seen: SeenRows
    shared: SharedRun
    scratch: ScoreCheckpoint

    def run(self, request: ScoreRequest) -> PartResult:
        """Score what is not scored yet, and write the output of all where all is."""
        job, seen, shared, progress = self.job, self.seen, self.shared, self.job.progress
        self._check_spine()
        later_rows, rows = job.later_rows(seen), rows_of_part(self.part, seen.spine.height)
        scorer = job.scorer(seen, request.to)
        first = first_missing(shared.ranges(), rows)
        if first > rows.start:
            progress.done(f"{self.part}: {first - rows.start:,} of {len(rows):,} {plural(len(rows), 'row')} are done")
        progress.start(f"score {self.part} by {job.version.model} version {job.version.version}")
        starts = range(first, rows.stop, range_rows(job.engine, scorer, seen.spine))
        if starts:
            score_ranges(job.engine, scorer, seen.spine, starts, ScoreKeeper(add=shared.add, progress=progress))
        progress.done(f"scored {counted(len(rows), 'row')}, {self.part}")
        done = PartResult(part=self.part, version=job.version, rows=len(rows))
        if shared.is_committed():
            return done
        if not shared.is_there():
            shared.give_up()
            raise _begun_anew(self.part)
        if missing := self._missing():
            return done if shared.is_committed() else replace(done, missing=missing)
        committer = shared.claim_commit(self.part.number)
        if committer != self.part.number or shared.is_committed():
            return replace(done, committer=committer)
        self._collect(range_rows(job.engine, scorer, seen.spine))
        scored = scored_rows(scorer, seen.spine, self.scratch.done())
        manifest = job.write(request.to, scorer, seen, scored)
        shared.end()
        scores = ScoreResult(version=job.version, rows=scored, manifest=manifest, later_rows=later_rows)
        return replace(done, committer=self.part.number, scores=scores)

    def _check_spine(self) -> None:
        begun = self.shared.begun
        assert begun is not None
        if (self.seen.spine.height, self.seen.digest) != (begun.saw.rows, begun.saw.spine):
            rows = f"{self.seen.spine.height:,} rows, and {begun.saw.rows:,} then"
            message = f"{self.part} sees another spine than the run that was begun on {_at(begun)}: {rows}"
            raise DataError(message, code="FC520", hint="--restart of one part begins all anew")

    def _missing(self) -> tuple[int, ...]:
        """Return the parts that are not done."""
        ranges, height, of = self.shared.ranges(), self.seen.spine.height, self.part.of
        parts = [(n, rows_of_part(PartNumber(number=n, of=of), height)) for n in range(1, of + 1)]
        return tuple(n for n, rows in parts if first_missing(ranges, rows) < rows.stop)

    def _collect(self, size: int) -> None:
        """Put the scores of all parts into files of this process, cut as a run of one process cuts them."""
        begun = self.shared.begun
        assert begun is not None
        self.scratch.begin(begun.saw)
        waiting, at, start, counts = np.empty(0), 0, 0, UnknownRows()
        for item in self.shared.ranges():
            scores, unknown = self._read(item)
            if item.start + item.rows <= at:
                continue  # of a process of the same part, which was killed and had cut its rows otherwise
            waiting, counts = np.concatenate([waiting, scores[at - item.start :]]), counts + unknown
            at = item.start + item.rows
            while len(waiting) >= size:
                self.scratch.add(start, waiting[:size], UnknownRows())
                waiting, start = waiting[size:], start + size
        if at < self.seen.spine.height:
            raise _begun_anew(self.part)  # or another process of this part has written the output
        self.scratch.add(start, waiting, counts)

    def _read(self, item: ScoredRange) -> tuple[Scores, UnknownRows]:
        try:
            return self.shared.read(item)
        except StoreError:
            if self.shared.is_committed() or not self.shared.is_there():
                raise _begun_anew(self.part) from None  # likewise, since the files were listed
            raise


def _open_shared(workspace: Workspace, request: ScoreRequest, clock: datetime) -> SharedRun:
    location, parent = parts_folder(workspace.offline_location(), workspace.project, workspace.environment.name)
    files, folder = open_loose(location), output_folder(parent, _output(request))
    for old in list(old_folders(files, parent, clock - KEPT_FOR)):
        if old != folder:
            files.remove(old)
    return SharedRun(files, folder)


def _output(request: ScoreRequest) -> dict[str, object]:
    """Return what the parts of one run have in common whatever else they are given."""
    out = request.to.path.absolute() if isinstance(request.to, FileDestination) else request.to.shown
    known: dict[str, object] = {"out": str(out), "as_of": request.as_of, "clock": request.clock}
    return known if request.run_id is None else {**known, "run_id": request.run_id}


def _arguments(request: ScoreRequest, part: PartNumber) -> dict[str, object]:
    cut = request.selection.cut
    return {
        "MODEL": f"{request.model}@{request.which}",
        "--part": part.of,
        "--spine": request.selection.spine,
        "--all-keys": request.selection.all_keys,
        "--since": None if cut.since is None else cut.since.isoformat(),
        "--until": None if cut.until is None else cut.until.isoformat(),
        "versions of libraries": dict(scoring_libraries()),
    }


def _check_arguments(begun: PartsBeginning | None, request: ScoreRequest, part: PartNumber) -> None:
    if begun is None:
        return
    own: Mapping[str, object] = _arguments(request, part)
    if others := [name for name, value in own.items() if begun.arguments.get(name) != value]:
        what = f"the run in parts into {request.to.shown} that was begun on {_at(begun)} has other arguments"
        raise UsageError(f"{what}: {', '.join(others)}", hint="--restart of one part begins all anew")


def _beginning(
    request: ScoreRequest, part: PartNumber, version: ModelVersion, seen: SeenRows, clock: datetime
) -> PartsBeginning:
    return PartsBeginning(saw=seen.begun(clock), version=version.version, arguments=_arguments(request, part))


def _begun_anew(part: PartNumber) -> TryAgainError:
    return TryAgainError(f"{part} is of a run that was begun anew, or given up for an erasure, meanwhile")


def _at(begun: PartsBeginning) -> str:
    return format_instant(begun.saw.begun_at)
