"""Rows of erased keys in an online store: found by their packed keys, and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from featurectl.core.erasures import Erasures, KeyPart
from featurectl.online.base import Ask, OnlineStore, OnlineView
from featurectl.online.codec import header_bytes, pack_key, unpack_header
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.row_schema import field_name

_EPOCH: Final = date(1970, 1, 1)
_KEYS_AT_ONCE: Final = 5_000
ErasedUntil = Callable[[bytes], datetime | None]  # of a packed key: until when its rows are erased


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedOnlineRows:
    """How many rows of erased keys were removed, or would be.

    `have_returned`: one of them was of a row that is not erased, or computed from one: of a person who came back.
    """

    rows: int = 0
    have_returned: bool = False


def erased_until(erasures: Erasures, entity: str, types: Mapping[str, str]) -> ErasedUntil:
    """Return what finds the packed keys of an entity, whose keys have these types, that were erased.

    What is no key of them is none that was erased.
    """
    names = tuple(types)

    def find(key: bytes) -> datetime | None:
        try:
            parts = [*_key_parts(key)]
        except (ValueError, IndexError, OverflowError):
            return None
        return erasures.erased_until(entity, dict(zip(names, parts, strict=True))) if len(parts) == len(names) else None

    return find


def packed_key(values: Mapping[str, KeyPart], types: Mapping[str, str]) -> bytes | None:
    """Return the packed key of an entity's values; None where they are not all of its keys."""
    if {*values} != {*types}:
        return None
    parts = [values[name] for name in types]
    whole = [(part - _EPOCH).days if isinstance(part, date) else part for part in parts]
    return pack_key(whole, tuple(types.values()))


def find_erased(
    store: OnlineStore, view: OnlineView, until: ErasedUntil, known: Sequence[bytes] | None = None
) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    """Yield the packed keys and rows of a view version that are erased, some at a time.

    They are looked for under the keys that are `known` to be all; where None are, among the keys of all rows.
    """
    if known is None:
        yield from store.walk(view, lambda key: until(key) is not None)
        return
    for start in range(0, len(known), _KEYS_AT_ONCE):
        keys = known[start : start + _KEYS_AT_ONCE]
        [found] = store.fetch([Ask(project=view.project, env=view.env, fields=(field_name(view),), keys=keys)])
        yield [(key, row) for key, (row,) in zip(keys, found, strict=True) if row is not None]


def remove_erased(
    store: OnlineStore, view: OnlineView, until: ErasedUntil, known: Sequence[bytes] | None = None
) -> ErasedOnlineRows:
    """Remove the rows of erased keys of a view version, and have the record of its last push know.

    A row goes whatever its instants: its values may be of erased rows and of later ones. Of who came back the next push
    sends what there is, with all others.

    Raises:
        StoreError: the store fails; what was removed stays removed.
    """
    removed, have_returned = 0, False
    for page in find_erased(store, view, until, known):
        removed += store.remove_keys(view, [key for key, _ in page])
        have_returned = have_returned or any(_is_later(row, until(key)) for key, row in page)
    if removed:
        _note_removed(store, view, removed, sends_all=have_returned)
    return ErasedOnlineRows(rows=removed, have_returned=have_returned)


def _note_removed(store: OnlineStore, view: OnlineView, removed: int, *, sends_all: bool) -> None:
    """Take the rows off what the last push has left, so that the next one does not find them lost."""
    try:
        record = store.read_push_record(view)
    except BrokenRecordError:
        return
    if record is not None:
        left = replace(record, entities=max(record.entities - removed, 0))
        store.write_push_record(view, replace(left, schema="") if sends_all else left)


def _is_later(row: bytes, until: datetime | None) -> bool:
    """Return whether a row, or a row behind it, is of later than an erasure."""
    if until is None or len(row) < header_bytes(row):
        return False
    event_time, available_at, _ = unpack_header(row)
    return any(time is not None and time > until for time in (event_time, available_at))


def _key_parts(key: bytes) -> Iterable[KeyPart]:
    """Yield the values of a packed key."""
    while key:
        head, _, rest = key.partition(b":")
        kind, size = chr(head[0]), int(head[1:])
        text = rest[:size].decode()
        if not 0 <= size <= len(rest):
            raise ValueError(key)
        yield _value(kind, text)
        key = rest[size:]


def _value(kind: str, text: str) -> KeyPart:
    if kind == "d":
        return _EPOCH + timedelta(days=int(text))
    if kind == "b":
        return {"0": False, "1": True}[text]
    return int(text) if kind == "i" else text
