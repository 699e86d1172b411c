"""The Iceberg table that a source names, found in its catalog; what it may read is checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, ValidationError
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.typedef import Properties
from requests.exceptions import RequestException

from featurectl.core.errors import DataError
from featurectl.core.nearest import did_you_mean
from featurectl.core.variables import shown_location
from featurectl.language.data_roots import NONE, DataRoots, ReadableFolders
from featurectl.language.definitions.source import IcebergName, Source
from featurectl.sources.iceberg.catalogs import (
    NAME_WORD,
    CatalogAccess,
    SqlTables,
    configured_names,
    open_catalog,
    read_access,
)
from featurectl.sources.iceberg.failures import IcebergFailures

_MOST_TABLES: Final = 12


@dataclass(frozen=True, kw_only=True)
class IcebergLookup:
    """What finds the table of a source; `name` is the source's with its variables filled."""

    source: Source
    root: Path
    name: IcebergName
    data_roots: DataRoots = NONE

    @property
    def where(self) -> str:
        """What errors call the table."""
        assert self.source.iceberg is not None
        return f"source {self.source.name}, table {self.source.iceberg.table}"

    @property
    def failures(self) -> IcebergFailures:
        """What turns the failures of libraries into errors."""
        assert self.source.iceberg is not None
        written = self.source.iceberg.catalog
        shown = shown_location(written) or "of pyiceberg's configuration"
        return IcebergFailures(source=self.source.name, shown=shown, written=written, catalog=self.name.catalog)

    def find(self) -> Table:
        """Return the table as it is now.

        Raises:
            StoreError: FC605, the catalog can't be reached.
            DataError: FC501 there is none, FC502 it can't be read.
        """
        with self.failures.of_catalog():
            address = self._address()
            catalog = open_catalog(address, self._database(address))
        with closing(catalog), self.failures.of_catalog():
            if isinstance(catalog, SqlTables):
                catalog.name = self._sql_name(catalog, address.name)
                self.check(catalog.metadata_place(self.name.table))
            return self._load(catalog)

    def _load(self, catalog: Catalog) -> Table:
        try:
            table = catalog.load_table(self.name.table)
        except (NoSuchTableError, NoSuchNamespaceError) as error:
            raise self._no_table(_tables_beside(catalog, self.name.table)) from error
        except (OSError, ValueError, ValidationError) as error:
            if isinstance(error, RequestException):
                raise
            with self.failures.of_metadata(self.where):
                raise
        if isinstance(table.io, PyArrowFileIO):
            table.io = CheckedFiles(table.io.properties, self.check)
        return table

    def _address(self) -> CatalogAccess:
        try:
            address = read_access(self.name.catalog)
        except ValueError as error:
            message = f"source {self.source.name}: the catalog {self.failures.shown} can't be understood: "
            raise DataError(message + self.failures.plain(error), code="FC501") from error
        if address is None:
            known = configured_names()
            name = self.name.catalog or "default"
            hint = did_you_mean(name, known) or (
                f"catalogs: {', '.join(known)}" if known else "write the address of the catalog"
            )
            message = f"source {self.source.name}: pyiceberg's configuration has no catalog {name!r}"
            raise DataError(message, code="FC501", hint=hint)
        return address

    def _database(self, address: CatalogAccess) -> str:
        """Return the whole path of the file of an SQLite catalog, "" of another catalog."""
        if not address.database:
            return ""
        file = self.root / address.database
        self._readable(self.failures.shown, database=True).check(file)
        if not file.is_file():
            raise DataError(f"source {self.source.name}: {self.failures.shown} has no database file", code="FC501")
        return str(file)

    def _readable(self, written: str, *, database: bool = False) -> ReadableFolders:
        """Return where the source may read; `written` is how errors name a place that is not there."""
        name, roots = self.source.name, self.data_roots
        return ReadableFolders(source=name, written=written, root=self.root, roots=roots, database=database)

    def _sql_name(self, catalog: SqlTables, wanted: str) -> str:
        """Return the name of the catalog in its database that has the table."""
        known = catalog.known_tables()
        names = [name for name, table in known if table == self.name.table and wanted in ("", name)]
        if not names:
            raise self._no_table([table for name, table in known if wanted in ("", name)])
        if len(names) > 1:
            message = f"{self.where} is in several catalogs of {self.failures.shown}: {', '.join(names)}"
            raise DataError(message, code="FC501", hint=f"say which: ?{NAME_WORD}={names[0]}")
        return names[0]

    def _no_table(self, known: Sequence[str]) -> DataError:
        assert self.source.iceberg is not None
        more = ", ..." if len(known) > _MOST_TABLES else ""
        there = f"tables: {', '.join(known[:_MOST_TABLES])}{more}" if known else "the catalog has no tables there"
        message = (
            f"source {self.source.name}: no table {self.source.iceberg.table} in the catalog {self.failures.shown}"
        )
        return DataError(message, code="FC501", hint=did_you_mean(self.name.table, known) or there)

    def check(self, location: str) -> None:
        """See that a file which the table names lies where the source may read; in an object store it does.

        Raises:
            OutsideDataError: FC535, it lies elsewhere.
            DataError: FC502, it is no file.
        """
        if not is_local(location):
            return
        path = Path(PyArrowFileIO.parse_location(location)[2])
        self._readable(str(path.parent.parent)).check(path)
        if not path.is_file():
            what = "is no file" if path.exists() else "is gone"
            raise DataError(f"{self.where} can't be read: {path.name} {what}", code="FC502")


class CheckedFiles(PyArrowFileIO):
    """The files of a table, each of which is checked before it is opened; none is written."""

    def __init__(self, properties: Properties, check: Callable[[str], None]) -> None:
        super().__init__(properties)
        self._check = check

    def new_input(self, location: str) -> PyArrowFile:
        """Return a file to be read."""
        self._check(location)
        return super().new_input(location)


def is_local(location: str) -> bool:
    """Return whether a file lies on this machine."""
    return PyArrowFileIO.parse_location(location)[0] == "file"


def _tables_beside(catalog: Catalog, name: str) -> list[str]:
    try:
        return [".".join(found) for found in catalog.list_tables(name.rpartition(".")[0])]
    except Exception:  # noqa: BLE001  # what there is helps, and is not asked for
        return []
