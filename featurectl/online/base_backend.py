"""What a kind of online store has to do: bytes under keys, the newer of two. `store.py` knows what they mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from featurectl.online.base import Bound, OnlineView, RowReader, RowRemover, VersionedBy, Writing

if TYPE_CHECKING:
    from featurectl.online.encode.rows import PackedChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedWriting:
    """How packed rows are written: by which of their instants one is newer than another, and what `how` says."""

    order: VersionedBy
    how: Writing


class ByteStore(RowReader, RowRemover, Protocol):
    """Packed rows, keys, schemas and records of one kind of store. Every method raises `StoreError` when it fails.

    `shown` is what errors call the store. `is_compact`: it gets rows of the short formats, where they can be.
    `generation` is another number when another store lies in its place, of which nothing is known.
    """

    shown: str
    is_compact: bool

    @property
    def generation(self) -> int:
        """How often another store was found in its place."""

    def put_schemas(self, schemas: Sequence[tuple[OnlineView, str]]) -> list[int]:
        """Return the id of each document among the schemas of its view version, put there when it was not."""

    def shared(self, view: OnlineView, name: str) -> bytes | None:
        """Return one thing that all entities share: `schema/<view>@<version>/<id>` or `push/<view>@<version>`."""

    def put_record(self, view: OnlineView, data: bytes, none_after: Bound | None) -> None:
        """Keep a packed push record, unless the one that is there is newer, and not later than `none_after`."""

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """As `OnlineStore.prepared`."""

    def write_chunks(self, view: OnlineView, chunks: Iterable[PackedChunk], writing: PackedWriting) -> int:
        """Write packed rows, unless newer ones are there, and return how many entities are new."""

    def remove_others(
        self, view: OnlineView, kept: Collection[bytes], until: datetime, none_after: Bound | None
    ) -> int:
        """Remove the rows of all keys but some, as `OnlineStore.keep_only`."""

    def rows(self, view: OnlineView, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the packed row under each key, None where there is none."""

    def walk(
        self, view: OnlineView, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """As `OnlineStore.walk`."""

    def count(self, view: OnlineView) -> int:
        """As `OnlineStore.count`."""

    def reset_broken_count(self, view: OnlineView) -> None:
        """As `OnlineStore.reset_broken_count`."""

    def count_rows(self, view: OnlineView) -> int | None:
        """As `OnlineStore.count_rows`."""

    def clock(self) -> datetime:
        """As `OnlineStore.clock`."""

    def remove(self, view: OnlineView) -> None:
        """As `OnlineStore.remove`."""
