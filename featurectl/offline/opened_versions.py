"""The versions of one Delta table that a handle has opened: none is read from the log twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from deltalake import DeltaTable

from featurectl.core.object_store import delta_options

_MOST: Final = 4  # versions; the log of a large table is some megabytes


@dataclass(kw_only=True, slots=True)
class OpenedVersions:
    """A table as it is now, and as it was at some versions.

    Of a version there is an object of its own, which nobody brings up to date: a read of many buckets looks at the log
    once. What was read of the log of the newest is not read again.
    """

    location: str
    _newest: DeltaTable | None = field(default=None, init=False)
    _at: dict[int, DeltaTable] = field(default_factory=dict, init=False)

    def newest(self) -> DeltaTable:
        """Return the table as it is now.

        Raises:
            TableNotFoundError: there is none.
        """
        if self._newest is None:
            self._newest = DeltaTable(self.location, storage_options=delta_options(self.location))
        else:
            self._newest.update_incremental()
        return self._newest

    def at(self, version: int) -> DeltaTable:
        """Return the table as it was.

        Raises:
            TableNotFoundError: there is none.
        """
        found = self._at.get(version)
        if found is None:
            found = DeltaTable(self.location, version=version, storage_options=delta_options(self.location))
            self._at[version] = found
            while len(self._at) > _MOST:
                self._at.pop(next(iter(self._at)), None)
        return found

    def forget(self) -> None:
        """Open anew what is asked for next."""
        self._newest = None
        self._at.clear()
