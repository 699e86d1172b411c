"""Tables of streams that were made of the history alone, of which the log has begun since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from featurectl.operations.views import BoundView
from featurectl.workspace.applied_workspace import AppliedWorkspace
from featurectl.workspace.event_reader import EventSourceReader


def until_log(views: Mapping[str, BoundView], applied: AppliedWorkspace) -> dict[str, BoundView]:
    """Return views by name, those of streams with the last instant before their log where their table has none of it.

    As long as there is no log the history is all there is, and answers for any instant.

    Raises:
        StoreError: a log can't be read.
    """
    return {name: _until_log(bound, applied) for name, bound in views.items()}


def _until_log(bound: BoundView, applied: AppliedWorkspace) -> BoundView:
    if not bound.view.source.is_stream or bound.asof is not None:
        return bound
    reader = applied.open_source(bound.view.source)
    assert isinstance(reader, EventSourceReader)
    stream = reader.look(applied.now)
    return bound if stream.cut is None else replace(bound, asof=stream.history_until)
