"""Events in JSON as they nearly always come: read in one step into the columns of their source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from featurectl.core.dtypes import BOOL, INT64, STRING

# Of these types a value as it nearly always comes is the value itself; all others are read afterwards.
AS_THEY_ARE: Final[Mapping[str, Any]] = {
    STRING: str | None,
    INT64: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None,
    BOOL: bool | None,
}
_MOST_OTHERS: Final = 200  # names of fields that are no columns
_LONGEST: Final = 256  # characters of one, of which messages may have a million


def is_plain(name: str) -> bool:
    """Return whether JSON has a name as it is, in ASCII.

    >>> [is_plain(name) for name in ("card", "card no", "cardé", 'the "card"', "")]
    [True, True, False, False, True]
    """
    return name.isascii() and name.isprintable() and not {'"', "\\"} & {*name}


class PlainEvents:
    """Reads events whose texts are ASCII without escapes, and whose fields are of their column's own type.

    What any other event has, or why it is none, another way says. Fields that are no columns are read, too, so that
    what is wrong in them is seen as there: their names are learned. Not for several threads.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self._others: set[str] = set()
        self._decode = self._decoder().decode

    def fields(self, value: bytes) -> Sequence[object] | None:
        """Return a value for each column, null where the event lacks it; None for an event that is not plain.

        Those of types other than string, int64 and bool are as JSON has them.
        """
        if not value.isascii() or b"\\" in value:
            return None
        try:
            return msgspec.structs.astuple(self._decode(value))
        except (msgspec.DecodeError, RecursionError):
            return None

    def learn(self, names: Iterable[str]) -> None:
        """Take note of the fields that an event has which was not plain, as others may have them, too."""
        new = {name for name in names if len(name) <= _LONGEST and is_plain(name)} - {*self._columns} - self._others
        if new and len(self._others) + len(new) <= _MOST_OTHERS:
            self._others |= new
            self._decode = self._decoder().decode

    def _decoder(self) -> msgspec.json.Decoder[Any]:
        names = [*self._columns, *sorted(self._others)]
        types = [*(AS_THEY_ARE.get(dtype, Any) for dtype in self._columns.values()), *[Any] * len(self._others)]
        fields = [(f"field_{i}", kind, None) for i, kind in enumerate(types)]
        renamed = {f"field_{i}": name for i, name in enumerate(names)}
        made = msgspec.defstruct("PlainEvent", fields, rename=renamed, forbid_unknown_fields=True, gc=False)
        return msgspec.json.Decoder(made)
