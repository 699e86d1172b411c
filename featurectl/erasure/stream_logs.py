"""Rows of erased keys in the logs of streams, and in the tables of the events that workers rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from featurectl.core.erasures import Tombstone, key_text
from featurectl.core.units import counted
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.streaming.session.applied_streams import AppliedStream, applied_streams, erased_of_stream

if TYPE_CHECKING:
    from featurectl.offline.erased_log import ErasedLogRows, LogEraser
    from featurectl.streaming.erased_events import ErasedTexts, StreamErasures
    from featurectl.streaming.erased_log_rows import ErasedLogSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclearEvents:
    """So many events of which the text of a key alone tells whether they are of it, and the erasures that lack it.

    Those were cut; without any the events came back with a table from before an erasure that was not.
    """

    events: int
    erasures: frozenset[int] = frozenset()

    @property
    def note(self) -> str:
        """What is said of them.

        >>> UnclearEvents(events=1, erasures=frozenset([7])).note[:40]
        '1 event has no key that can be read, and'
        """
        have, it = ("has", "it") if self.events == 1 else ("have", "they")
        may_be = f"{counted(self.events, 'event')} {have} no key that can be read, and {it} may be of"
        if self.erasures:
            end = "until then the erasure is not finished"
            return f"{may_be} an erasure that was cut: erase the key once more by its value; {end}"
        return f"{may_be} a key that was erased before {it} came back with a backup: erase that once more by its value"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErasedTable:
    place: str
    eraser: LogEraser
    unclear: Callable[[], UnclearEvents | None] = lambda: None


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


def cut_erasures(request: ErasureRequest, stream: AppliedStream) -> Sequence[Tombstone]:
    """Return the erasures of a stream's entities that are not finished, and whose keys are known by hashes alone."""
    return [item for item in later_erasures(request, stream, 0) if item.done_at is None]


def later_erasures(request: ErasureRequest, stream: AppliedStream, mark: int) -> Sequence[Tombstone]:
    """Return the erasures after a number of a stream's entities whose keys are known by hashes alone."""
    of_stream = {item.number for item in stream.erased.erasures.tombstones}
    later = [item for item in request.erasures.tombstones if item.number > mark and item.number not in request.values]
    return [item for item in later if item.number in of_stream]


def _tables(request: ErasureRequest) -> Iterator[_ErasedTable]:
    from featurectl.streaming.stream_tables import StreamTables

    workspace = request.target.workspace
    for stream in erased_streams(request):
        source = stream.source
        tables = StreamTables(source=source, log=workspace.event_log(source), rejected=workspace.rejected_log(source))
        log, rejected = tables.erasers(partial(_erased_after, request, source.name), known_keys_of(request, stream))
        yield _ErasedTable(place=f"log of stream {source.name}", eraser=log)
        search, mark = tables.search(stream.erased), tables.rejected.open().state.erased
        unclear = partial(_unclear, search, cut_erasures(request, stream), later_erasures(request, stream, mark))
        yield _ErasedTable(place=f"rejected events of stream {source.name}", eraser=rejected, unclear=unclear)


def _erased_after(request: ErasureRequest, source: str, mark: int) -> StreamErasures:
    """Return what is asked for, and what was erased since a table was clean: it says then that it is clean of all."""
    return erased_of_stream(replace(request.target.state, erasures=request.and_since(mark)), source)


def _unclear(search: ErasedLogSearch, cut: Sequence[Tombstone], later: Sequence[Tombstone]) -> UnclearEvents | None:
    """Return the events that may be of erasures that were cut, or else of those after which a table was clean last."""
    of = cut or later
    count = search.count_unclear(max(item.at for item in of)) if of else 0
    return UnclearEvents(events=count, erasures=frozenset(item.number for item in cut)) if count else None


def _finding(of: _ErasedTable, found: ErasedLogRows) -> PlaceFindings | None:
    unclear = of.unclear()
    if not found.rows and unclear is None:
        return None
    return PlaceFindings(
        place=of.place,
        rows=found.rows,
        what="events",
        rewritten=found.rewritten,
        notes=() if unclear is None else (unclear.note,),
        unfinished=frozenset() if unclear is None else unclear.erasures,
    )
