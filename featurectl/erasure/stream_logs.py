"""Rows of erased keys in the logs of streams, and in the tables of the events that workers rejected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from featurectl.core.dataclass import dataclass
from featurectl.core.erasures import key_text
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.streaming.session.applied_streams import AppliedStream, applied_streams

if TYPE_CHECKING:
    import polars as pl

    from featurectl.offline.erased_log import ErasedLogRows, LogEraser
    from featurectl.offline.event_log import EventLog
    from featurectl.streaming.erased_events import ErasedTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErasedTable:
    place: str
    what: str
    eraser: LogEraser


class StreamLogsPlace:
    """The events of streams that were logged, and those that were rejected: the log first, which asks their table.

    A worker that does not know of an erasure logs nothing any more once a log was cleaned of it: it reads what is
    applied, and takes again what it had taken.
    """

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many events there are."""
        return [finding for of in _tables(request) if (finding := _finding(of, of.eraser.look()))]

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Remove them, and what older versions of the tables have of them."""
        return [finding for of in _tables(request) if (finding := _finding(of, of.eraser.erase()))]


def erased_streams(request: ErasureRequest) -> list[AppliedStream]:
    """Return the streams whose events are of entities of which keys are to go; the state of a dry run knows none."""
    state = replace(request.target.state, erasures=request.erasures)
    return [of for of in applied_streams(state).values() if of.erased]


def known_keys_of(request: ErasureRequest, stream: AppliedStream) -> list[ErasedTexts]:
    """Return the erased keys of a stream's entities whose values are known."""
    from featurectl.streaming.erased_events import ErasedTexts

    values = [(item.entity, request.values.get(item.number, {})) for item in stream.erased.erasures.tombstones]
    return [
        ErasedTexts(entity=entity, texts={key: key_text(part) for key, part in of.items()})
        for entity, of in values
        if of
    ]


def _tables(request: ErasureRequest) -> Iterator[_ErasedTable]:
    from featurectl.offline.erased_log import LogEraser
    from featurectl.streaming.erased_log_rows import REJECTED_NEEDS, ErasedLogSearch

    workspace = request.target.workspace
    for stream in erased_streams(request):
        source, number = stream.source, stream.erased.number
        table = workspace.rejected_log(source)
        search = ErasedLogSearch(
            source=source,
            erased=stream.erased,
            rejected=partial(_rejected_rows, table),
            known=known_keys_of(request, stream),
        )
        log = LogEraser(log=workspace.event_log(source), columns=search.columns, find=search.find, number=number)
        yield _ErasedTable(place=f"log of stream {source.name}", what="events", eraser=log)
        rejected = LogEraser(log=table, columns=REJECTED_NEEDS, find=search.find_rejected, number=number)
        yield _ErasedTable(place=f"rejected events of stream {source.name}", what="events", eraser=rejected)


def _rejected_rows(table: EventLog) -> pl.DataFrame:
    import polars as pl

    from featurectl.offline.event_log import OWN_COLUMNS, column_dtype
    from featurectl.streaming.erased_log_rows import REJECTED_NEEDS

    types = {**OWN_COLUMNS, **table.columns}
    nothing = pl.DataFrame(schema={name: column_dtype(types[name]) for name in REJECTED_NEEDS})
    return pl.concat([nothing, *table.read_rows(table.open(), REJECTED_NEEDS)])


def _finding(of: _ErasedTable, found: ErasedLogRows) -> PlaceFindings | None:
    if not found.rows:
        return None
    return PlaceFindings(place=of.place, rows=found.rows, what=of.what, rewritten=found.rewritten)
