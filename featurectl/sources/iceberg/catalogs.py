"""The catalogs of Iceberg tables: opened to be read, each with bounds for its waiting."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import sqlalchemy as sa
from pyiceberg.catalog import Catalog, CatalogType, infer_catalog_type, load_catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.io import PY_IO_IMPL, FileIO
from pyiceberg.typedef import EMPTY_DICT, Properties
from pyiceberg.utils.config import Config
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from sqlalchemy.orm import Session as SqlSession

from featurectl.core.drivers import SQLITE_URL
from featurectl.core.object_store import CONNECT_S, READ_S
from featurectl.sources.iceberg.azure_files import AzureFiles, is_in_azure
from featurectl.sources.sql.connections import watch_connections

NAME_WORD: Final = "catalog_name"  # of the query of an SQL catalog's address: one database may hold several
_AWS: Final = {
    "s3.endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "s3.region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
}
# Arrow asks an S3 four times: all of them end in the time that other readers of a store take.
_WAITS: Final = {"s3.connect-timeout": f"{CONNECT_S}", "s3.request-timeout": f"{READ_S / 2}"}
LOCKED_S: Final = 5  # that a database is waited for in which somebody writes


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogAccess:
    """How a catalog is opened: its kind, its properties, and its name ("": an SQL catalog has the one that it has)."""

    kind: CatalogType
    properties: Mapping[str, str]
    name: str = ""

    @property
    def database(self) -> str:
        """The file of an SQLite catalog, "" of another."""
        uri = self.properties.get("uri", "")
        is_file = self.kind is CatalogType.SQL and uri.startswith("sqlite")
        return (sa.make_url(uri).database or "") if is_file else ""


class SqlTables(SqlCatalog):
    """An SQL catalog that makes no tables in its database, and whose connections are watched."""

    def _init_catalog(self) -> None:
        watch_connections(self.engine)
        super()._init_catalog()

    def known_tables(self) -> list[tuple[str, str]]:
        """Return the tables of all catalogs in the database: the name of the catalog, and `namespace.name`."""
        columns = (IcebergTables.catalog_name, IcebergTables.table_namespace, IcebergTables.table_name)
        with SqlSession(self.engine) as session:
            rows = session.execute(sa.select(*columns).order_by(*columns)).all()
        return [(catalog, f"{namespace}.{name}") for catalog, namespace, name in rows]

    def metadata_place(self, table: str) -> str:
        """Return where the metadata of a table lies; it is in the catalog. In Azure obstore reads it from then on."""
        namespace, _, name = table.rpartition(".")
        wanted = (
            IcebergTables.catalog_name == self.name,
            IcebergTables.table_namespace == namespace,
            IcebergTables.table_name == name,
        )
        with SqlSession(self.engine) as session:
            place = session.scalar(sa.select(IcebergTables.metadata_location).where(*wanted)) or ""
        if is_in_azure(place):
            self.properties.setdefault(PY_IO_IMPL, f"{AzureFiles.__module__}.{AzureFiles.__name__}")
        return place


class _BoundedRest(RestCatalog):
    """A REST catalog whose server is waited for as long as an object store is."""

    def _create_session(self) -> Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _BoundedAdapter())
        return session

    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        if is_in_azure(location):
            return AzureFiles({**self.properties, **properties})
        return super()._load_file_io(properties, location)


class _BoundedAdapter(HTTPAdapter):
    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send a request, with time-outs where none are given."""
        options["timeout"] = options.get("timeout") or (CONNECT_S, READ_S)
        return super().send(request, *args, **options)


def read_access(text: str) -> CatalogAccess | None:
    """Return how the catalog of an address, or of a name in pyiceberg's configuration, is opened; None: it has none.

    Of an address's query all words are properties of REST, Glue and Hive catalogs; of an SQL catalog those are that
    have a dot, as `s3.endpoint`, and the others its driver's.

    Raises:
        ValueError: it can't be understood.
    """
    if "://" not in text:
        return _configured(text)
    scheme = text.partition("://")[0].lower()
    if scheme.startswith(("sqlite", "postgresql")):
        return _sql_address(text)
    url = urlsplit(text)
    words = dict(parse_qsl(url.query))
    if scheme == "glue":
        region = {"glue.region": url.netloc} if url.netloc else {}
        return CatalogAccess(kind=CatalogType.GLUE, properties=region | words)
    kind = CatalogType.HIVE if scheme == "thrift" else CatalogType.REST
    return CatalogAccess(kind=kind, properties={"uri": urlunsplit(url._replace(query="")), **words})


def _sql_address(text: str) -> CatalogAccess:
    url = sa.make_url(text)
    words = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    ours = {name: value for name, value in words.items() if "." in name}
    url = url.difference_update_query([*ours, NAME_WORD])
    uri = url.render_as_string(hide_password=False)
    return CatalogAccess(kind=CatalogType.SQL, properties={"uri": uri, **ours}, name=words.get(NAME_WORD, ""))


def _configured(name: str) -> CatalogAccess | None:
    config = Config()
    name = name or config.get_default_catalog_name()
    found = config.get_catalog_config(name)
    if not found:
        return None
    properties = {key: value for key, value in found.items() if isinstance(value, str)}
    given = properties.pop("type", "")
    kind = CatalogType(given.lower()) if given else infer_catalog_type(name, dict(found))
    return None if kind is None else CatalogAccess(kind=kind, properties=properties, name=name)


def configured_names() -> list[str]:
    """Return the names of the catalogs in pyiceberg's configuration."""
    return sorted(Config().get_known_catalogs())


def open_catalog(address: CatalogAccess, database: str) -> Catalog:
    """Open a catalog; `database` is the whole path of the file of an SQLite catalog, which is only read."""
    properties = {**_WAITS, **_of_environment(), **address.properties}
    name = address.name or "default"
    if address.kind is CatalogType.SQL:
        if database:
            properties["uri"] = f"{SQLITE_URL}file:{quote(database)}?mode=ro&uri=true&timeout={LOCKED_S}"
        return SqlTables(name, **{**properties, "init_catalog_tables": "false"})
    if address.kind is CatalogType.REST:
        return _BoundedRest(name, **properties)
    return load_catalog(name, **{**properties, "type": address.kind.value})


def _of_environment() -> dict[str, str]:
    """Return what the environment says of object stores that Arrow does not look for there."""
    found = {key: next((os.environ[name] for name in names if os.environ.get(name)), "") for key, names in _AWS.items()}
    return {key: value for key, value in found.items() if value}
