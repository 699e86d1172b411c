"""Remove what nothing needs any more from an environment, and make small files of its prediction log into few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from featurectl.core.errors import FeaturectlError
from featurectl.core.progress import Progress
from featurectl.operations.clean.streams import find_of_streams
from featurectl.operations.clean.unneeded_data import (
    SAFE_AGE,
    Cleaning,
    Leftover,
    SmallFiles,
    choose_pinned,
    find_leftovers,
    find_small_files,
)
from featurectl.operations.part_failure import Failure

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRequest:
    """What may be removed: what was written longer ago than `older_than`, and days of predictions.

    Without `predictions` those stay that `prediction_log.keep` says. With `model_files`, files of models that no
    version in the registry has go, too; with `events`, what was logged of streams that are not applied. `unpin` are
    view versions ("spend@2") whose tables no longer stay for manifests of training sets. A dry run only finds it.
    """

    older_than: timedelta = SAFE_AGE
    predictions: timedelta | None = None
    model_files: bool = False
    events: bool = False
    unpin: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was removed and compacted, or would be; what has failed did not keep the rest."""

    leftovers: Sequence[Leftover]
    small_files: Sequence[SmallFiles]
    failures: tuple[Failure, ...] = ()


def clean_up(workspace: Workspace, request: CleanRequest, progress: Progress) -> Cleaned:
    """Return what nothing needed, and is gone.

    Raises:
        UsageError: a label of `unpin` is no version of a view.
        CheckFailedError: nothing is applied, so that nothing is known to be needed.
        StoreError: a store can't be read.
    """
    progress.start("look at the stores")
    unpinned = frozenset(choose_pinned(workspace, label) for label in request.unpin)
    where = Cleaning(
        workspace=workspace,
        clock=datetime.now(UTC),
        age=request.older_than,
        predictions=request.predictions,
        models=request.model_files,
        events=request.events,
        unpinned=unpinned,
    )
    if not request.dry_run:
        for view, version in sorted(unpinned):
            workspace.registry().remove_pins(workspace.project, view, version)
    found, small = [*find_leftovers(where), *find_of_streams(where)], find_small_files(where)
    progress.done("")
    if request.dry_run:
        return Cleaned(leftovers=found, small_files=small)
    removed, failures = _remove(found, progress)
    compacted, more = _compact(small, progress)
    return Cleaned(leftovers=removed, small_files=compacted, failures=(*failures, *more))


def _remove(found: Sequence[Leftover], progress: Progress) -> tuple[list[Leftover], list[Failure]]:
    """Remove what was found, and return what is gone and what failed, which does not keep the rest."""
    done, failures = [], []
    for item in found:
        try:
            is_gone = item.remove() is not False
        except FeaturectlError as error:
            failures.append(Failure(part=f"{item.kind} {item.name}", error=error))
        else:
            done += [item] if is_gone else []
            progress.done(f"removed {item.kind} {item.name}" if is_gone else "")
    return done, failures


def _compact(small: Sequence[SmallFiles], progress: Progress) -> tuple[list[SmallFiles], list[Failure]]:
    """Make small files into fewer, and return what was done; what fails does not keep the rest."""
    done: list[SmallFiles] = []
    failures: list[Failure] = []
    for day in small:
        progress.start(f"compact {day.name}")
        try:
            day.compact()
        except FeaturectlError as error:
            failures.append(Failure(part=f"small files {day.name}", error=error))
        else:
            done.append(day)
            progress.done(f"compacted {day.name}")
    return done, failures
