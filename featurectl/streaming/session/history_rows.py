"""The rows of a stream's history that count, for lists that are made anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.core.units import from_us
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import STAMP
from featurectl.offline.event_log import STAMP as LOGGED
from featurectl.sources.failures import reading
from featurectl.workspace.event_reader import EventSourceReader, OpenedStream, earlier_rows
from featurectl.workspace.workspace import Workspace

_EVER: Final = datetime.max.replace(tzinfo=UTC)
_ROWS_AT_ONCE: Final = 200_000


def history_frames(workspace: Workspace, source: Source) -> Iterator[pl.DataFrame]:
    """Yield the rows of a stream's history that were known before its cut, some at a time.

    Their columns are those of the stream, those of its `select`, and the instant at which each was known, as the log
    calls it. Those known from the cut on are left out: the stream has them itself.

    Raises:
        DataError: the history can't be read.
        StoreError: the log can't be read, or no stream has begun.
    """
    reader = workspace.source(source)
    assert isinstance(reader, EventSourceReader)
    opened = reader.log.open()
    if opened.state.cut_us is None:
        raise StoreError(f"the log {reader.log.shown} says not up to when the history counts", code="FC603")
    stream = OpenedStream(opened=opened, cut=from_us(opened.state.cut_us), until=_EVER)
    rows = earlier_rows(reader, stream)
    if rows is not None:
        with reading(f"source {source.history}"):
            yield from rows.rename({STAMP: LOGGED}).collect_batches(chunk_size=_ROWS_AT_ONCE)
