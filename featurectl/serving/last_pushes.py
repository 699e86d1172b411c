"""The last pushes of what is served, read from the online store, and what the journal has to say of them."""

from __future__ import annotations

import time

from featurectl.core.errors import StoreError
from featurectl.core.units import format_iso
from featurectl.online.base import PushRecord
from featurectl.online.client.pushed_versions import Pushed, current_places, is_event_view, read_pushed_async
from featurectl.online.client.stream_asof import stream_name
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.registry.state import State
from featurectl.serving.context import ServerContext
from featurectl.serving.journal import Level


async def read_pushes(context: ServerContext, state: State) -> Pushed:
    """Return the last pushes of a project's views, which whoever reads them goes by from now on.

    Raises:
        StoreError: the store fails.
    """
    features, at_s, begun = context.features, time.monotonic(), set[str]()
    try:
        pushed = await read_pushed_async(features.store, state, context.environment, current_places(state), begun)
    except StoreError as error:
        context.status.store_error = error.message
        context.journal.begin("store_lost", error.message)
        raise
    context.status.store_error, context.status.begun = "", frozenset(begun)
    context.journal.end("store_lost", "store_back")
    _report_broken(context, pushed)
    features.pushes.take(state.project, context.environment, pushed, at_s)
    _report_ahead(context, state, pushed)
    return pushed


def _report_broken(context: ServerContext, pushed: Pushed) -> None:
    for (name, version), record in pushed.items():
        if isinstance(record, BrokenRecordError):
            context.journal.begin("push_record_broken", record.message, of=f"{name}@{version}")
        else:
            context.journal.end("push_record_broken", "push_record_mended", of=f"{name}@{version}")


def _report_ahead(context: ServerContext, state: State, pushed: Pushed) -> None:
    """Report which views were pushed as of later than this clock, an error of those that are refused, and the end."""
    latest = context.features.latest()
    for (name, version), record in pushed.items():
        label = f"{name}@{version}"
        item = state.view(name, version)
        of_stream = item is not None and bool(stream_name(item))  # by the clock of its store
        if latest is not None and isinstance(record, PushRecord) and not of_stream and record.computed_at > latest:
            message = f"{label} was pushed as of {format_iso(record.computed_at)}, which this clock has not reached"
            level: Level = "error" if is_event_view(state, (name, version)) else "warning"
            context.journal.begin("pushed_ahead", message, level, of=label)
        else:
            context.journal.end("pushed_ahead", "no_more_ahead", of=label)
