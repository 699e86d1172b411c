"""The online store above any kind of it: schemas, push records and rows as what they mean, bytes below.

Which of two rows is newer is said here, by the instants of a row that are compared; the bytes are compared where they
lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.online.base import Ask, Bound, Found, KeyValue, OnlineRow, OnlineView, PushRecord, VersionedBy, Writing
from featurectl.online.base_backend import ByteStore, PackedWriting
from featurectl.online.codec import pack_key, pack_record, unpack_record
from featurectl.online.corrupt_rows import row_place
from featurectl.online.decode.row import row_schema_id, unpack_row
from featurectl.online.row_schema import SchemaCache, field_name, record_name, schema_document

if TYPE_CHECKING:  # only what writes rows needs frames, and imports them then
    import polars as pl

    from featurectl.online.encode.rows import PackedChunk


class PackedStore:
    """An `OnlineStore` over the bytes of one kind of store."""

    def __init__(self, below: ByteStore) -> None:
        self.bytes = below
        self.schemas = SchemaCache(below.shared, below.shown)
        self._generation = below.generation

    def prepare(self, *views: OnlineView) -> None:
        """Put the schemas of the view versions' rows into the store."""
        self.bytes.put_schemas([(view, schema_document(view)) for view in views])

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """Return the view versions of which a schema is in the store."""
        return self.bytes.prepared(project, env)

    def write(self, view: OnlineView, rows: pl.DataFrame, *, rebuilt: bool = False) -> int:
        """Write rows, and return how many entities are new."""
        return self.write_all(view, [rows], Writing(rebuilt=rebuilt))

    def write_all(self, view: OnlineView, frames: Iterable[pl.DataFrame], how: Writing) -> int:
        """Write the rows of several frames, and return how many entities are new."""
        [schema_id] = self.bytes.put_schemas([(view, schema_document(view))])
        chunks = _packed(view, frames, schema_id, is_compact=self.bytes.is_compact)
        return self.bytes.write_chunks(view, chunks, PackedWriting(order=newer_by(view, how), how=how))

    def keep_only(
        self, view: OnlineView, entities: pl.DataFrame, until: datetime, none_after: Bound | None = None
    ) -> int:
        """Remove the rows computed until an instant of all entities but these."""
        from featurectl.online.encode.rows import encode_keys

        return self.bytes.remove_others(view, set(encode_keys(view, entities)), until, none_after)

    def remove_keys(self, view: OnlineView, keys: Sequence[bytes]) -> int:
        """Remove the rows under some packed keys; return how many there were."""
        return self.bytes.remove_keys(view, list(dict.fromkeys(keys))) if keys else 0

    def wipe(self, *views: OnlineView) -> tuple[str, ...]:
        """Write anew what may still hold bytes of rows that were removed; return what can't be."""
        return self.bytes.wipe(*views)

    def read(self, view: OnlineView, entities: Sequence[Sequence[KeyValue]]) -> list[OnlineRow | None]:
        """Return the row of each entity, None where there is none."""
        dtypes = tuple(view.keys.values())
        keys = [pack_key(entity, dtypes) for entity in entities]
        found = zip(keys, self.bytes.rows(view, keys), strict=True)
        return [None if data is None else self._unpacked(view, key, data) for key, data in found]

    def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys."""
        return self.bytes.fetch(asks)

    def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        return self.bytes.fetch_shared(project, env, names)

    def walk(
        self, view: OnlineView, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield the packed keys and rows of a view version, some at a time."""
        return self.bytes.walk(view, wanted)

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row of the view version."""
        return self.bytes.count(view)

    def reset_broken_count(self, view: OnlineView) -> None:
        """Begin to count at 0 where another program has written what is no number."""
        self.bytes.reset_broken_count(view)

    def count_rows(self, view: OnlineView) -> int | None:
        """Return how many entities have a row, by a look at them; None where there are too many to look at."""
        return self.bytes.count_rows(view)

    def clock(self) -> datetime:
        """Return the time by the clock that all who write to the store share."""
        return self.bytes.clock()

    def write_push_record(self, view: OnlineView, record: PushRecord, none_after: Bound | None = None) -> None:
        """Keep the record unless a newer one is there."""
        self.bytes.put_record(view, pack_record(record), none_after)

    def read_push_record(self, view: OnlineView) -> PushRecord | None:
        """Return the record of the last push, or None."""
        data = self.bytes.shared(view, record_name(field_name(view)))
        return unpack_record(data, field_name(view)) if data else None

    def remove_record(self, view: OnlineView) -> None:
        """Remove the record of the last push."""
        self.bytes.remove_record(view)

    def remove(self, view: OnlineView) -> None:
        """Remove all rows of a view version."""
        self.bytes.remove(view)
        self.schemas.clear()

    def close(self) -> None:
        """Give back connections and files."""
        self.bytes.close()

    def _unpacked(self, view: OnlineView, key: bytes, data: bytes) -> OnlineRow:
        if self._generation != self.bytes.generation:
            self._generation = self.bytes.generation
            self.schemas.clear()
        place = row_place(view, key)
        return unpack_row(data, self.schemas.get(view, row_schema_id(data, place)), view.meanings, place)


def newer_by(view: OnlineView, how: Writing) -> VersionedBy:
    """Return by which instant a row is newer: of a rebuilt table the one computed later, whatever it corrects."""
    return "computed" if how.rebuilt else view.versioned_by


def _packed(
    view: OnlineView, frames: Iterable[pl.DataFrame], schema_id: int, *, is_compact: bool
) -> Iterator[PackedChunk]:
    """Give the rows of frames packed; what packs them is loaded when there is a frame."""
    for frame in frames:
        from featurectl.online.encode.rows import encode_chunks

        yield from encode_chunks(view, frame, schema_id, is_compact=is_compact)
