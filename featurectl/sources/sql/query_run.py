"""A query of a source as it is run: where its database is, `:since` for it, what fails of it said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from featurectl.core.drivers import driver_fault, missing_driver
from featurectl.core.errors import DataError, StoreError
from featurectl.core.secrets import hide_address_secrets
from featurectl.core.variables import shown_location
from featurectl.language.data_roots import NONE, DataRoots, ReadableFolders
from featurectl.language.definitions.source import Source

POSTGRES_SINCE: Final = "(current_setting('featurectl.since')::timestamptz)"  # no parameter: see decision 092
NOT_READING: Final = "it does something else than to read"
_ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)


def first_line(error: BaseException) -> str:
    """Return the first line of what a driver said."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlQueryRun:
    """The query of a source, to be run; the database is only read.

    In PostgreSQL the session's time zone is the source's, so that naive columns compare with `:since` as they are
    meant; in SQLite `:since` is a text, `2013-01-31 05:00:00.000000` on the source's clock.
    """

    source: Source
    root: Path
    url: str
    data_roots: DataRoots = NONE

    @property
    def where(self) -> str:
        """What errors call the query."""
        return f"source {self.source.name}, its query"

    @property
    def shown(self) -> str:
        """The URL as it stands in the repository's file, without secrets."""
        assert self.source.sql is not None
        return shown_location(self.source.sql.url)

    def since_value(self, since: datetime | None, dialect: str) -> object:
        """Return the value of `:since` in the form that a database of some dialect compares."""
        if dialect == "postgresql":
            return _ALWAYS if since is None else since
        local = (_ALWAYS if since is None else since.astimezone(ZoneInfo(self.source.timezone))).replace(tzinfo=None)
        return local.isoformat(" ", "microseconds") if dialect == "sqlite" else local

    def database_file(self, path: str) -> Path:
        """Return the file of a database, which must lie where the source may read.

        Raises:
            DataError: FC501, there is none; FC535, it may not be read.
        """
        file = self.root / path
        readable = ReadableFolders(
            source=self.source.name, written=self.shown, root=self.root, roots=self.data_roots, database=True
        )
        readable.check(file)
        if not file.is_file():
            raise DataError(f"source {self.source.name}: {self.shown} has no database file", code="FC501")
        return file

    def unreachable(self, said: str) -> str:
        """Return the message that the database can't be reached, with what a driver said, without secrets."""
        return f"source {self.source.name}: {self.shown} can't be read: {self._bare(said)}"

    def unopened(self, said: str) -> DataError:
        """Return the error of a URL by which a driver opens nothing, having said this."""
        return DataError(f"source {self.source.name}: {self.shown} can't be opened: {self._bare(said)}", code="FC508")

    def failed(self, said: str) -> DataError:
        """Return the error of a query that fails, with what a driver said, without secrets."""
        return DataError(f"{self.where} fails: {self._bare(said)}", code="FC508")

    def without_driver(self, error: Exception) -> StoreError:
        """Return the error of a driver that is missing, as the import or the lookup of it failed."""
        kind, _, driver = self.url.partition(":")[0].partition("+")
        what, hint = missing_driver(kind, driver, error)
        return StoreError(f"source {self.source.name}: {self.shown}: {what}", code="FC605", hint=hint)

    def raise_crash(self, error: Exception, driver: str, module: str = "") -> None:
        """Raise what a driver has failed of in a way of its own; nothing for a fault of ours."""
        if fault := driver_fault(error, driver, {driver, module.partition(".")[0]} - {""}):
            hint = "a newer version of the driver may do"
            raise StoreError(self.unreachable(fault), code="FC605", hint=hint) from error

    def _bare(self, said: str) -> str:
        return hide_address_secrets(said, self.url)
