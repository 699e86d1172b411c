"""Lists of views made anew from table and log because somebody wants it, beside the workers or without any.

Readers are answered from the lists of before until the new ones are whole. What workers have taken has to be in the
log first: they see to that within seconds, and where none runs that is waited for no longer than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import FeaturectlError, StoreError, TryAgainError, UsageError
from featurectl.language.stream_places import check_streams_run
from featurectl.registry.applied import not_applied
from featurectl.streaming.retirement import state_name
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding, can_seed, new_generation
from featurectl.streaming.session.applied_streams import AppliedStream, applied_streams
from featurectl.streaming.session.clean_lists import mark_clean
from featurectl.streaming.session.rebuild_leases import RebuildLeases
from featurectl.streaming.session.seeded_views import seeded_view
from featurectl.streaming.session.stream_parts import StreamParts, opened_stream
from featurectl.streaming.stream_tables import StreamTables
from featurectl.workspace.older_registry import check_erasures_known
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.online.stream_state.protocols import StreamConnection
    from featurectl.registry.state import State

_LOOK_S: Final = 0.2
_TRIES: Final = 3  # a worker that finds lists unreadable meanwhile makes them itself
PATIENCE_S: Final = 30.0  # a worker logs each 5 s, and one that was killed is replaced meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltView:
    """A view version whose lists were made anew, and in how many seconds."""

    source: str
    view: str
    seconds: float


def rebuild_views(
    workspace: Workspace, names: Sequence[str], progress: Progress, patience_s: float = PATIENCE_S
) -> list[RebuiltView]:
    """Return what was made anew of some views, by VIEW (all versions that are kept online) or VIEW@2.

    Raises:
        UsageError: a view is not applied, not of a stream, or not kept online; or no worker has run yet.
        DataError: the history can't be read.
        TryAgainError: what was taken is not in the log, and nobody puts it there; or workers make lists meanwhile.
        RunningError: another rebuild of a view goes on.
        StoreError: the store or the log can't be used, or the registry is older than an erasure (FC619).
    """
    state = workspace.applied_state()
    check_streams_run(workspace.environment)
    check_erasures_known(workspace)
    found = [pair for name in names for pair in _views_of(state, name)]
    rebuilt = []
    for stream, label in found:
        progress.start(f"rebuild {label}")
        begun_s = time.monotonic()
        _rebuild(workspace, stream, label, patience_s)
        rebuilt.append(
            RebuiltView(source=stream.source.name, view=label, seconds=round(time.monotonic() - begun_s, 3))
        )  # fmt: skip
        progress.done(f"{label}: lists made anew ({rebuilt[-1].seconds:.1f} s)")
    return rebuilt


def _views_of(state: State, name: str) -> list[tuple[AppliedStream, str]]:
    streams = applied_streams(state)
    found = [
        (stream, label)
        for stream in streams.values()
        for label in stream.views
        if name in (label, label.partition("@")[0])
    ]
    if found:
        return found
    view = name.partition("@")[0]
    if state.current("feature_view", view) is None:
        raise not_applied(state, "feature_view", view)
    known = sorted(label for stream in streams.values() for label in stream.views)
    hint = f"views of streams that are kept online: {', '.join(known)}" if known else "none is kept online of a stream"
    raise UsageError(f"feature view {name} is not kept online by workers", hint=hint)


def _rebuild(workspace: Workspace, stream: AppliedStream, label: str, patience_s: float) -> None:
    source = stream.source
    seeded = seeded_view(workspace, stream, label)
    with opened_stream(workspace, source) as parts, closing(parts.state.connect(parts.place)) as connection:
        _check_begun(parts, connection, source.name)
        tables = StreamTables(source=source, log=parts.log, rejected=workspace.rejected_log(source))
        tables.clean_restored(stream.erased)
        leases = RebuildLeases(workspace, stream.kept, source.name)
        for _ in range(_TRIES):
            leases.check_alone(label)
            if _seed(seeded, parts, connection, leases, time.monotonic() + patience_s):
                if mark_clean(workspace, stream, label):
                    with suppress(StoreError):  # others hold the file: the bytes go by `erase --again`
                        workspace.online().wipe()
                return
    raise TryAgainError(
        f"workers make lists of {label} themselves meanwhile", hint="they are done soon; look again then"
    )


def _check_begun(parts: StreamParts, connection: StreamConnection, source: str) -> None:
    topic = parts.broker.state(parts.topic)
    names = [state_name(topic, partition) for partition in range(topic.partitions)]
    if not can_seed(connection.register.read_state(), parts.log.open(), names):
        raise UsageError(
            f"no worker has begun with all partitions of source {source}: there is nothing to make lists of yet",
            hint=f"featurectl stream run {source} makes them",
        )


def _seed(
    seeded: SeededView, parts: StreamParts, connection: StreamConnection, leases: RebuildLeases, until_s: float
) -> bool:
    """Return whether lists were made anew and are read; False: somebody else has made others."""
    before = connection.register.read_state().live(seeded.name)
    generation = new_generation(seeded.name)
    try:
        with leases.held(generation):  # which says so before workers write the lists: it may be killed at any moment
            seeding = Seeding(seeded, connection, parts.log, generation=generation)
            found = _wait_for(lambda: seeding.step(connection), until_s, parts)
    except BaseException:
        with suppress(FeaturectlError):  # else workers go on writing lists that nobody reads
            connection.generations.drop(generation)
            leases.forget(generation)  # after the lists: by what was said they would be known for those of it
        raise
    with suppress(FeaturectlError):
        leases.forget(generation)
    if not found:
        return False
    if before is not None:
        with suppress(StoreError):  # a sweep removes them later
            parts.state.drop_lists(parts.place, before)
    return True


def _wait_for(step: Callable[[], str], until_s: float, parts: StreamParts) -> bool:
    while (found := step()) == "waits":
        if time.monotonic() >= until_s:
            source = parts.place.source
            message = f"events of source {source} were taken and are not in the log, and no worker puts them there"
            raise TryAgainError(message, hint=f"featurectl stream run {source}, then again")
        time.sleep(_LOOK_S)
    return found == "done"
