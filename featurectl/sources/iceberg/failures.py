"""What catalogs, pyiceberg and its libraries raise, as errors that name the source and the table."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pyiceberg.exceptions import NotInstalledError, RESTError, ValidationError
from requests.exceptions import ConnectionError as HttpConnectionError
from requests.exceptions import RequestException, Timeout
from sqlalchemy.exc import NoSuchModuleError, OperationalError, SQLAlchemyError

from featurectl.core.drivers import driver_fault, missing_driver
from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.core.object_store import without_secrets
from featurectl.core.secrets import hide_address_secrets
from featurectl.core.variables import as_written
from featurectl.sources.failures import no_answer
from featurectl.sources.sql.connections import first_line, is_refused, was_interrupted

_LIBRARIES: Final = frozenset(
    {"pyiceberg", "requests", "obstore", "urllib3", "pyarrow", "boto3", "botocore", "thrift", "pydantic"}
)
_KINDS: Final = {"postgresql": "postgresql", "sqlite": "sqlite"}  # catalogs in a database, by their addresses
_NO_TABLE: Final = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB)
_SILENT: Final = re.compile(
    r"NETWORK_CONNECTION|timed out|Timeout was reached|curlCode|no answer from "
)  # an object store, by Arrow
_SYSTEM: Final = re.compile(r"\[Errno -?\d+\] ([A-Za-z ]+)")  # what the system said, in what a client made of it
_LONGEST: Final = 300  # characters of what a library says


@dataclass(frozen=True, slots=True, kw_only=True)
class IcebergFailures:
    """Whose failures they are: a source, its catalog as it is written (`shown`), and with its variables filled."""

    source: str
    shown: str
    written: str
    catalog: str

    def plain(self, error: BaseException) -> str:
        """Return the first line of an error without secrets, and as the repository writes the catalog."""
        lines = str(error).strip().splitlines() or [type(error).__name__]
        text = as_written(lines[0], self.written, self.catalog)
        return without_secrets(hide_address_secrets(hide_address_secrets(text, self.catalog), text))[:_LONGEST]

    @contextmanager
    def of_catalog(self) -> Iterator[None]:
        """Turn failures to open a catalog, or to ask it, into errors.

        Raises:
            StoreError: FC605, it can't be reached, or a module is missing.
            DataError: FC501, its database is none of a catalog.
        """
        try:
            yield
        except FeaturectlError:
            raise
        except (NotInstalledError, ImportError, NoSuchModuleError) as error:
            raise self._missing(error) from error
        except SQLAlchemyError as error:
            raise self._of_sql(error) from error
        except Timeout as error:
            raise self._unreachable("no answer in time") from error
        except HttpConnectionError as error:
            found = _SYSTEM.search(str(error))
            raise self._unreachable(found[1] if found else self.plain(error)) from error
        except (RESTError, RequestException) as error:
            raise self._unreachable(self.plain(error)) from error
        except Exception as error:
            if not driver_fault(error, "pyiceberg", _LIBRARIES):
                raise
            raise self._unreachable(f"{type(error).__name__}: {self.plain(error)}") from error

    def _missing(self, error: Exception) -> StoreError:
        said, mark, hint = self.plain(error).partition(": pip install ")
        kind = next((name for begin, name in _KINDS.items() if self.catalog.startswith(begin)), "iceberg")
        what, hint = (said, f"pip install {hint}") if mark else missing_driver(kind, "", error)
        return StoreError(f"source {self.source}: {self.shown}: {what}", code="FC605", hint=hint)

    def _of_sql(self, error: SQLAlchemyError) -> FeaturectlError:
        if was_interrupted(error):
            raise KeyboardInterrupt from None
        original = getattr(error, "orig", None)
        said = hide_address_secrets(first_line(error), self.catalog)
        is_no_catalog = getattr(original, "sqlite_errorcode", None) in _NO_TABLE or not isinstance(
            error, OperationalError
        )
        if is_no_catalog and not is_refused(error):
            message = f"source {self.source}: {self.shown} is no catalog of Iceberg tables: {said}"
            return DataError(message, code="FC501")
        return self._unreachable(said)

    def _unreachable(self, reason: str) -> StoreError:
        return StoreError(f"source {self.source}: the catalog {self.shown} can't be read: {reason}", code="FC605")

    @contextmanager
    def of_metadata(self, where: str) -> Iterator[None]:
        """Turn failures to read a table's metadata and manifests into errors; `where` names the table.

        Raises:
            DataError: FC502, they can't be read.
            NoAnswerError: FC616, an object store does not answer.
        """
        try:
            yield
        except FeaturectlError:
            raise
        except FileNotFoundError as error:
            name = os.fspath(error.filename or self.plain(error))
            raise DataError(f"{where} can't be read: a file of it is gone: {name}", code="FC502") from error
        except (OSError, ValueError, NotImplementedError, ValidationError) as error:
            if _SILENT.search(str(error)):
                raise no_answer(where, "no answer from the object store") from error
            if "equality delete" in str(error):
                raise DataError(
                    f"{where} has equality deletes, which this version does not read",
                    code="FC502",
                    hint="rewrite its data files, so that it has none, or read it by a query",
                ) from error
            raise DataError(f"{where} can't be read: {self.plain(error)}", code="FC502") from error
        except Exception as error:
            if fault := driver_fault(error, "pyiceberg", _LIBRARIES):
                raise DataError(f"{where} can't be read: {fault[:_LONGEST]}", code="FC502") from error
            raise
