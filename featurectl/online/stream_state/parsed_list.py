"""The elements of an entity's list become a head and rows: each event once, those at or behind the frontier not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from featurectl.online.stream_state.base import is_head
from featurectl.online.stream_state.event_rows import EventRows, join_rows, rows_of
from featurectl.online.stream_state.head import Head, no_head, unpack_head
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.record import EventRecord, unpack_record


class ParsedList(NamedTuple):
    """A list as it was read: its head, and the raw records that count, each once."""

    head: Head
    records: Sequence[EventRecord]

    def rows(self, layout: ListLayout) -> EventRows:
        """Return the rows of the head and the records together, with the repeats among them."""
        if not self.records:
            return self.head.rows
        return join_rows(self.head.rows, rows_of(self.records, layout), layout)


def parse_list(elements: Sequence[bytes], layout: ListLayout, marks: Mapping[int, int] | None = None) -> ParsedList:
    """Return what a list holds.

    Of two records of one event the one with the newer stamp counts. `marks` are those of a master of a Cluster: what
    stands at or behind a partition's mark may be of a batch that was lost, and will be sent anew.

    Raises:
        StoreError: an element is neither.
    """
    has_head = bool(elements) and is_head(elements[0])
    head = unpack_head(elements[0], layout) if has_head else no_head(layout)
    return ParsedList(head, counted_records(elements[1:] if has_head else elements, layout, head.frontier, marks))


def counted_records(
    elements: Iterable[bytes], layout: ListLayout, frontier: Mapping[int, int], marks: Mapping[int, int] | None
) -> Sequence[EventRecord]:
    """Return the records behind a head that count, each once: those that neither it nor a lost batch has.

    Raises:
        StoreError: an element is none.
    """
    found: dict[tuple[int, int], EventRecord] = {}
    for data in elements:
        record = unpack_record(data, layout)
        partition, offset = record[:2]
        if offset < frontier.get(partition, 0):
            continue
        if marks is not None and offset >= marks.get(partition, 0):
            continue
        other = found.get((partition, offset))
        if other is None or record.available_us > other.available_us:
            found[partition, offset] = record
    return [*found.values()]
