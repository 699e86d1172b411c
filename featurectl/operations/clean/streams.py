"""What a stream leaves that is not applied any more: the lists of its views, and its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

from featurectl.language.definitions.json_form import load_source
from featurectl.online.client.stream_asof import stream_name
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.forgotten_sources import forget_stream, named_generations
from featurectl.operations.clean.unneeded_data import Cleaning, Leftover
from featurectl.workspace.gone_lists import forget_lists_of
from featurectl.workspace.offline_folder import has_offline

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.registry.state import State

LISTS: Final = "stream lists"
EVENTS: Final = "events"


def find_of_streams(cleaning: Cleaning) -> list[Leftover]:
    """Return what nothing needs of streams that are not applied any more: lists, and events where that is asked for.

    Raises:
        StoreError: a store can't be read.
        CheckFailedError: nothing is applied, so that nothing is known to be needed.
    """
    workspace = cleaning.workspace
    gone = removed_streams(workspace.applied_state())
    if not gone:
        return []
    events = cleaning.events and has_offline(workspace)
    return [*_lists(cleaning, gone), *(_events(cleaning, gone) if events else ())]


def removed_streams(state: State) -> list[Source]:
    """Return the streams that were applied once, and whose name no stream that is applied has."""
    sources = [(item.current, load_source(item.definition)) for item in state.objects if item.kind == "source"]
    applied = {source.name for current, source in sources if current and source.is_stream}
    gone = {source.name: source for current, source in sources if not current and source.is_stream}
    return [source for name, source in sorted(gone.items()) if name not in applied]


def _lists(cleaning: Cleaning, gone: Sequence[Source]) -> Iterator[Leftover]:
    """Yield the lists of views of streams, with the registers that say what is in them."""
    with closing(cleaning.workspace.stream_state()) as store:
        for source in gone:
            place = _place(cleaning, source)
            if not store.read_register(place).run:  # no worker has ever met it
                continue
            walked = [store.walk_lists(place, generation) for generation in named_generations(store, place)]
            yield Leftover(
                kind=LISTS,
                name=source.name,
                size=None,
                entities=sum(len(entities) for walk in walked for entities in walk),
                remove=partial(_remove_lists, cleaning, source),
            )


def _events(cleaning: Cleaning, gone: Sequence[Source]) -> Iterator[Leftover]:
    """Yield the logs of streams, and what was rejected of them."""
    workspace = cleaning.workspace
    above = workspace.offline_location().rstrip("/") + "/"
    for source in gone:
        for log, what in ((workspace.rejected_log(source), "rejected events of "), (workspace.event_log(source), "")):
            folder = log.location.removeprefix(above)
            files = cleaning.files.dated(folder)
            if files and cleaning.is_old(files):
                yield Leftover(
                    kind=EVENTS,
                    name=f"{what}{source.name}",
                    size=sum(file.size for file in files),
                    remove=partial(_remove_events, cleaning, source, folder),
                )


def _place(cleaning: Cleaning, source: Source) -> StreamSource:
    workspace = cleaning.workspace
    return StreamSource(project=workspace.project, env=workspace.environment.name, source=source.name)


def _remove_lists(cleaning: Cleaning, source: Source) -> bool:
    """Remove the lists of a stream, and its register last, unless it was applied again meanwhile."""
    workspace = cleaning.workspace
    with workspace.registry().lock(workspace.project, "featurectl clean", timeout_s=10):
        if not _is_removed(cleaning, source):
            return False
        views = [item for item in workspace.state().objects if item.kind == "feature_view"]
        forget_lists_of(workspace, (item for item in views if stream_name(item) == source.name))
        with closing(workspace.stream_state()) as store:
            forget_stream(store, _place(cleaning, source))
        return True


def _remove_events(cleaning: Cleaning, source: Source, folder: str) -> bool:
    """Remove what was logged of a stream unless it was applied again meanwhile."""
    workspace = cleaning.workspace
    with workspace.registry().lock(workspace.project, "featurectl clean", timeout_s=10):
        if not _is_removed(cleaning, source):
            return False
        cleaning.files.remove(folder)
        return True


def _is_removed(cleaning: Cleaning, source: Source) -> bool:
    return source.name in {each.name for each in removed_streams(cleaning.workspace.state())}
