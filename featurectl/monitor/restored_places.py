"""Places that may have rows of erased keys again, as those that were restored from before an erasure.

They say up to which erasure they are clean. Only those are looked at that no command cleans when it uses them, or not
each: readers leave out of them what was erased.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from featurectl.core.errors import FeaturectlError, StoreError

if TYPE_CHECKING:
    from featurectl.core.erasures import Erasures
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def restored_places(workspace: Workspace, state: State, *, online: bool) -> tuple[str, ...]:
    """Return the names of an environment's places that are older than an erasure that was carried out.

    What can't be read is left out: who uses it says so. The online store is asked if `online`.
    """
    done = tuple(item for item in state.erasures.tombstones if item.done_at is not None)
    if not done:
        return ()
    erasures = replace(state.erasures, tombstones=done)
    known = replace(state, erasures=erasures)
    return (
        *((*_online(workspace, erasures), *_lists(workspace, known)) if online else ()),
        *_streams(workspace, known),
        *_prediction_log(workspace, erasures),
        *_models(workspace, known),
    )


def _online(workspace: Workspace, erasures: Erasures) -> list[str]:
    """Return whether the store has rows and did not hear of the newest erasure, as it does by pushes and workers."""
    from featurectl.online.erasure_mark import read_heard

    with suppress(StoreError):
        store, env = workspace.online(), workspace.environment.name
        if store.prepared(workspace.project, env):
            heard = read_heard(store, workspace.project, env)
            return ["online store"] if heard.number < erasures.number else []
    return []


def _lists(workspace: Workspace, state: State) -> list[str]:
    """Return the views of streams whose lists are older than an erasure, as their marks in the online store say."""
    from featurectl.online.list_marks import read_list_mark
    from featurectl.online.row_places import online_view
    from featurectl.online.stream_state.base import StreamSource
    from featurectl.streaming.session.applied_streams import applied_streams

    found, env = [], workspace.environment.name
    for stream in applied_streams(state).values():
        place = StreamSource(project=workspace.project, env=env, source=stream.source.name)
        with suppress(FeaturectlError):
            with closing(workspace.stream_reader().connect(place)) as connection:
                register = connection.register.read_state()
            for label, view in stream.views.items() if stream.erased else ():
                own = online_view(view, int(label.rpartition("@")[2]), workspace.project, env)
                newest = state.erasures.newest_of(view.entity.name) if view.entity else 0
                if register.live(label) is not None and read_list_mark(workspace.online(), own) < newest:
                    found.append(f"lists of {label}")
    return found


def _streams(workspace: Workspace, state: State) -> list[str]:
    from featurectl.streaming.session.applied_streams import applied_streams
    from featurectl.streaming.stream_tables import StreamTables

    found = []
    for stream in applied_streams(state).values():
        source = stream.source
        with suppress(StoreError):
            tables = StreamTables(
                source=source, log=workspace.event_log(source), rejected=workspace.rejected_log(source)
            )
            if stream.erased and tables.is_behind(stream.erased.number):
                found.append(f"log of stream {source.name}")
    return found


def _prediction_log(workspace: Workspace, erasures: Erasures) -> list[str]:
    from featurectl.offline.open_plain_files import open_loose
    from featurectl.operations.prediction_log.erased_mark import read_mark
    from featurectl.operations.prediction_log.place import predictions_folder

    with suppress(StoreError):
        files = open_loose(predictions_folder(workspace))
        if files.folders("") and read_mark(files) < erasures.number:
            return ["prediction log"]
    return []


def _models(workspace: Workspace, state: State) -> list[str]:
    """Return whether files of models have erased rows that no version names, but where they may be of others."""
    from featurectl.operations.clean.shared_places import has_models_of_others
    from featurectl.operations.erased_rows.unnamed_model_files import unnamed_files

    with suppress(StoreError):
        if state.model_versions and not has_models_of_others(workspace):
            place = workspace.offline_location()
            for model in sorted({version.model for version in state.model_versions}):
                if any(unnamed_files(place, state, model, state.erasures, {})):
                    return ["files of models"]
    return []
