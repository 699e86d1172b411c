"""Compare what was served, or rows that are joined now, with what a model version was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import UsageError
from featurectl.core.progress import Progress
from featurectl.core.units import format_instant, moved_by
from featurectl.engines.all_engines import open_engine
from featurectl.engines.spill import SpillRoom
from featurectl.models.served_model import open_batch
from featurectl.monitor.drift.batch import DriftBatch
from featurectl.monitor.drift.compare import DriftRow, compare_profiles
from featurectl.monitor.drift.limits import DriftLimits, parse_limits
from featurectl.monitor.drift.logged_window import read_window
from featurectl.monitor.drift.reference import load_reference
from featurectl.operations.training.long_spine import SpillPlace
from featurectl.operations.training.spine import Cut
from featurectl.registry.applied import choose_version
from featurectl.workspace.applied_workspace import AppliedWorkspace, read_applied
from featurectl.workspace.pickles import pickle_policy

if TYPE_CHECKING:
    from featurectl.models.profile.profile import Profile
    from featurectl.registry.state import ModelVersion
    from featurectl.workspace.workspace import Workspace

_LAST: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRequest:
    """A version of a model by its number or alias, the rows to compare, and the limits.

    `batch` names a source or a file, None: what was served. `limits` are as the command line has them.
    """

    model: str
    which: str
    batch: str | None
    since: datetime | None
    until: datetime | None
    limits: tuple[str, ...]
    min_rows: int
    allow_pickle: bool = False
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTable:
    """What was compared: `where` says which rows, `rows` what was found, the worst first."""

    model: str
    version: int
    where: str
    rows: Sequence[DriftRow]
    limits: DriftLimits

    @property
    def is_broken(self) -> bool:
        """Whether something is beyond its limit by more than chance gives."""
        return any(row.state == "drift" for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """A version, and the profile that it was trained on."""

    version: ModelVersion
    reference: Profile


def measure_drift(workspace: Workspace, request: DriftRequest, progress: Progress) -> DriftTable:
    """Return how far the features and scores of a model version have moved.

    Raises:
        UsageError: there is no such version, it has no profile, a limit is none, or the environment keeps no log.
        DataError: the rows of the batch do not fit, or FC512, the profile is gone or is another.
        StoreError: a store can't be read.
    """
    applied = read_applied(workspace, progress)
    version = choose_version(applied.state, request.model, request.which)
    compared = _Compared(version=version, reference=load_reference(version, workspace.offline_location()))
    names = [column.name for column in compared.reference.columns if column.kind == "feature"]
    limits = parse_limits(request.limits, request.min_rows, names)
    if request.batch is None:
        window, where = _served(workspace, request, compared)
    else:
        window, where = _batch(applied, request, compared, progress)
    rows = compare_profiles((version.model, version.version), compared.reference, window, limits)
    return DriftTable(model=version.model, version=version.version, where=where, rows=rows, limits=limits)


def check_order(since: datetime | None, until: datetime | None) -> None:
    """Check that a window has a length.

    Raises:
        UsageError: it ends before it begins.
    """
    if since is not None and until is not None and since >= until:
        hint = "--since 2026-11-23T00:00:00Z --until 2026-11-24T00:00:00Z"
        raise UsageError("--since is not before --until", hint=hint)


def _served(workspace: Workspace, request: DriftRequest, compared: _Compared) -> tuple[Profile, str]:
    until = request.until or moved_by(workspace.now, _TICK)  # what is served at now counts
    since = request.since or moved_by(until, -_LAST)
    check_order(since, until)
    found = read_window(workspace, compared.version, compared.reference, (since, until))
    return found, f"served from {format_instant(since)} to {format_instant(until)}"


def _batch(
    applied: AppliedWorkspace, request: DriftRequest, compared: _Compared, progress: Progress
) -> tuple[Profile, str]:
    assert request.batch is not None
    workspace = applied.workspace
    engine = open_engine(workspace.environment, request.memory_bytes)
    pickles = pickle_policy(workspace, applied.state, by_flag=request.allow_pickle)
    with SpillRoom(workspace.spill_folder()) as room:
        batch = DriftBatch(
            version=compared.version,
            load=open_batch(compared.version, workspace.offline_location(), pickles),
            spine=request.batch,
            cut=Cut(since=request.since, until=request.until),
            engine=engine,
            applied=applied,
            place=SpillPlace(room=room, memory_bytes=engine.memory_bytes),
            progress=progress,
        )
        found = batch.read_window(compared.reference)
    applied.sources.report()
    ends = [(word, end) for word, end in (("from", request.since), ("to", request.until)) if end is not None]
    return found, " ".join([f"of {request.batch}", *(f"{word} {format_instant(end)}" for word, end in ends)])
