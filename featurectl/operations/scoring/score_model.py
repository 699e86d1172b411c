"""Score the rows of a spine with a version of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.progress import Progress
from featurectl.engines.all_engines import open_engine
from featurectl.engines.spill import SpillRoom
from featurectl.models.served_model import open_batch
from featurectl.operations.outputs.output_conflict import check_apart
from featurectl.operations.scoring.checkpoint import ScoreCheckpoint, open_checkpoint
from featurectl.operations.scoring.destination import Destination, FileDestination
from featurectl.operations.scoring.job import Job, ScoringRows
from featurectl.operations.scoring.run import ScoredRows
from featurectl.operations.scoring.scorer import scoring_libraries
from featurectl.operations.training.erased_spine import erased_lines
from featurectl.operations.training.long_spine import SpillPlace
from featurectl.operations.training.unknown_keys import unknown_lines
from featurectl.registry.applied import choose_usable
from featurectl.workspace.applied_workspace import read_applied
from featurectl.workspace.pickles import pickle_policy

if TYPE_CHECKING:
    from featurectl.registry.state import ModelVersion
    from featurectl.workspace.applied_workspace import AppliedWorkspace
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """A version of a model by its number or alias, rows, and where their scores go.

    `as_of` is the instant of the workspace as it was written, and `clock` what its clock was said to say, by which a
    run that was killed is found again, as it is by `run_id` in parts; `restart`: it is not continued.
    """

    model: str
    which: str
    selection: ScoringRows
    to: Destination
    as_of: str | None = None
    clock: str | None = None
    run_id: str | None = None
    restart: bool = False
    allow_pickle: bool = False
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """What was scored by which version, with its manifest; `later_rows` says which lie later than their features."""

    version: ModelVersion
    rows: ScoredRows
    manifest: Mapping[str, object]
    later_rows: tuple[str, ...] = ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """What there is to say of rows with keys of which no view has a row, and of those that were left out."""
        spine = self.manifest["spine"]
        erased = spine.get("erased", 0) if isinstance(spine, Mapping) else 0
        return (*erased_lines(erased), *unknown_lines(self.rows.unknown, self.rows.frames.height))


def score_model(workspace: Workspace, request: ScoreRequest, progress: Progress) -> ScoreResult:
    """Score rows with the features of the view versions that a model version was trained on, and write them.

    Raises:
        UsageError: there is no such version, or the output is a source of the repository or can't be written.
        DataError: the spine or the features do not fit; FC520, a continued run needs a table that is gone.
        StoreError: a store can't be read.
    """
    clock = datetime.now(UTC)
    applied = read_applied(workspace, progress)
    version = choose_usable(applied.state, request.model, request.which)
    check_destination(workspace, request)
    same, folder = _identity(workspace, request, version), checkpoints_folder(workspace)
    with (
        SpillRoom(workspace.spill_folder()) as room,
        open_checkpoint(folder, same, clock) as checkpoint,
    ):
        if request.restart:
            checkpoint.clear()
        start = JobStart(applied=applied, request=request, room=room, checkpoint=checkpoint, progress=progress)
        rows, manifest, later_rows = start.job(workspace, version, clock).run(request.to)
    applied.sources.report()
    return ScoreResult(version=version, rows=rows, manifest=manifest, later_rows=later_rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStart:
    """What a job is made of once it is known which version scores."""

    applied: AppliedWorkspace
    request: ScoreRequest
    room: SpillRoom
    checkpoint: ScoreCheckpoint
    progress: Progress

    def job(self, workspace: Workspace, version: ModelVersion, clock: datetime) -> Job:
        """Return the job of a version.

        Raises:
            UsageError: its file runs code, and nobody has allowed that.
        """
        request, engine = self.request, open_engine(workspace.environment, self.request.memory_bytes)
        pickles = pickle_policy(workspace, self.applied.state, by_flag=request.allow_pickle)
        return Job(
            version=version,
            load=open_batch(version, workspace.offline_location(), pickles),
            selection=request.selection,
            engine=engine,
            applied=self.applied,
            place=SpillPlace(room=self.room, memory_bytes=engine.memory_bytes),
            checkpoint=self.checkpoint,
            progress=self.progress,
            clock=clock,
        )


def check_destination(workspace: Workspace, request: ScoreRequest) -> None:
    """See that the output can be written, and is no source of the repository.

    Raises:
        UsageError, StoreError: it is not so.
    """
    if isinstance(request.to, FileDestination):
        check_apart(request.to.path, request.selection.spine, workspace.repo.sources.values(), workspace.root)
    request.to.check()


def checkpoints_folder(workspace: Workspace) -> Path:
    """Return where runs keep the scores that they have made so far, a folder each."""
    return workspace.root / ".featurectl" / "scores"


def _identity(workspace: Workspace, request: ScoreRequest, version: ModelVersion) -> dict[str, object]:
    """Return what two runs have to have in common for one to continue the other."""
    selection = request.selection
    spine = None if selection.spine is None else [selection.spine, str(Path(selection.spine).absolute())]
    return {
        "project": [workspace.project, workspace.environment.name],
        "as_of": [request.as_of, request.clock],
        "model": [version.model, version.version, version.artifact_sha256],
        "spine": [spine, selection.all_keys, selection.cut.since, selection.cut.until],
        "out": request.to.shown,
        "libraries": scoring_libraries(),
    }
