"""Catalogs of Iceberg tables: what is found in them, what is not, and what a source may read."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.language.data_roots import DataRoots, OutsideDataError
from featurectl.language.definitions.source import IcebergName
from featurectl.sources.open import check_there, has_dates, open_source, read_schema
from tests.sources.lake import Lake
from tests.sources.test_iceberg import SOURCE, rows


@pytest.fixture
def lake(tmp_path):
    made = Lake(tmp_path)
    made.create(rows())
    made.append(rows(1, 2))
    return made


def named(table="shop.orders", catalog="sqlite:///catalog.db"):
    return replace(SOURCE, iceberg=IcebergName(table=table, catalog=catalog))


def parts(root, source=SOURCE, **keys):
    return open_source(source, root, **keys).parts()


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        (named("shop.ordres"), "no table shop.ordres in the catalog sqlite:///catalog.db",
         'did you mean "shop.orders"?'),
        (named("x.y"), "no table x.y in the catalog sqlite:///catalog.db", "tables: shop.orders"),
        (named(catalog="sqlite:///nowhere.db"), "sqlite:///nowhere.db has no database file", ""),
        (named(catalog="sqlite:///catalog.db?catalog_name=prod"), "no table shop.orders in the catalog sqlite:///catalog",
         "the catalog has no tables there"),
        (named(catalog="sqlite:///other.db"), "sqlite:///other.db is no catalog of Iceberg tables: no such table", ""),
        (named(catalog="sqlite:///text.db"), "sqlite:///text.db is no catalog of Iceberg tables: file is not a", ""),
        (named(catalog="prod"), "pyiceberg's configuration has no catalog 'prod'", "write the address of the catalog"),
        (named(catalog=""), "pyiceberg's configuration has no catalog 'default'", "write the address of the catalog"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_what_is(lake, monkeypatch, source, message, hint):
    monkeypatch.setenv("PYICEBERG_HOME", str(lake.root))
    monkeypatch.setenv("HOME", str(lake.root))
    monkeypatch.chdir(lake.root)
    sqlite3.connect(lake.root / "other.db").close()
    with closing(sqlite3.connect(lake.root / "other.db")) as made:
        made.execute("create table t (x)")
    (lake.root / "text.db").write_text("no database at all, for sure\n" * 100)
    before = sorted(path.name for path in lake.root.iterdir())
    with pytest.raises(DataError) as caught:
        parts(lake.root, source)
    assert caught.value.message.startswith(f"source orders: {message}")
    assert (caught.value.code, caught.value.hint) == ("FC501", hint)
    assert sorted(path.name for path in lake.root.iterdir()) == before


def test_a_table_of_several_catalogs_needs_the_name_of_one(lake):
    with closing(sqlite3.connect(lake.root / "catalog.db")) as made:
        made.execute("insert into iceberg_tables select 'prod', table_namespace, table_name, metadata_location, "
                     "previous_metadata_location, iceberg_type from iceberg_tables")  # fmt: skip
        made.commit()
    with pytest.raises(DataError, match=r"is in several catalogs of sqlite:///catalog.db: lake, prod") as caught:
        parts(lake.root)
    assert caught.value.hint == "say which: ?catalog_name=lake"
    assert len(parts(lake.root, named(catalog="sqlite:///catalog.db?catalog_name=prod"))) == 2


def test_a_catalog_of_the_configuration_is_found_by_its_name(lake, monkeypatch):
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__URI", f"sqlite:///{lake.root}/catalog.db")
    assert len(parts(lake.root, named(catalog="lake"))) == 2
    with pytest.raises(DataError, match="has no catalog 'laek'") as caught:
        parts(lake.root, named(catalog="laek"))
    assert caught.value.hint == 'did you mean "lake"?'


def test_variables_of_the_catalog_and_the_table_are_filled(lake, monkeypatch):
    source = named("${SPACE}.orders", "sqlite:///${CATALOG_FILE}")
    assert read_schema(source, lake.root) is None
    monkeypatch.setenv("SPACE", "shop")
    monkeypatch.setenv("CATALOG_FILE", "catalog.db")
    assert len(parts(lake.root, source)) == 2
    assert read_schema(source, lake.root) == {"id": "int64", "at": "timestamp"}


def test_what_is_there_is_seen_without_rows(lake):
    check_there(SOURCE, lake.root)
    assert has_dates(SOURCE, lake.root) is False
    assert has_dates(replace(SOURCE, event_time="day"), lake.root) is False
    with pytest.raises(DataError, match=r"no table shop\.x"):
        check_there(named("shop.x"), lake.root)


def test_a_locked_catalog_is_waited_for_and_named(lake, monkeypatch):
    monkeypatch.setattr("featurectl.sources.iceberg.catalogs.LOCKED_S", 0)
    with closing(sqlite3.connect(lake.root / "catalog.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(StoreError, match=r"catalog sqlite:///catalog.db can't be read: database is locked") as it:
            parts(lake.root)
        assert it.value.code == "FC605"
        assert read_schema(SOURCE, lake.root) is None  # validate goes on


@pytest.mark.parametrize("gone", ["metadata", "manifest", "data"])
def test_a_file_that_is_gone_is_named(lake, gone):
    pattern = {"metadata": "*.metadata.json", "manifest": "*-m0.avro", "data": "*.parquet"}[gone]
    for file in (lake.root / "lake").rglob(pattern):
        file.unlink()
    reader = open_source(SOURCE, lake.root)
    with pytest.raises(DataError, match=r"source orders, table shop.orders can't be read: .* is gone") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC502"


def test_metadata_that_is_none_is_told(lake):
    Path(lake.table.metadata_location.removeprefix("file://")).write_text("{}")
    with pytest.raises(DataError, match=r"source orders, table shop\.orders can't be read: "):
        parts(lake.root)


def test_a_table_outside_of_the_repository_needs_a_data_root(lake, tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    shutil.copy(lake.root / "catalog.db", repository)
    with pytest.raises(OutsideDataError) as caught:
        parts(repository)
    assert caught.value.message == f"source orders: {tmp_path}/lake/shop/orders lies outside of the repository"
    assert f'data_roots: ["{tmp_path}/lake/shop"]' in caught.value.hint
    roots = DataRoots(folders=(str(tmp_path / "lake"),))
    reader = open_source(SOURCE, repository, data_roots=roots)
    assert reader.scan(reader.parts()).collect().height == 2
    with pytest.raises(OutsideDataError):
        parts(repository, named(catalog=f"sqlite:///{tmp_path}/catalog.db"), data_roots=roots)


def test_a_data_file_elsewhere_or_behind_a_link_is_not_read(tmp_path):
    repository = tmp_path / "repository"
    (made := Lake(repository)).root.mkdir()
    made.create(rows())
    made.append(rows(1))
    file = next((repository / "lake").rglob("*.parquet"))
    file.rename(tmp_path / "secret.parquet")
    file.symlink_to(tmp_path / "secret.parquet")
    reader = open_source(SOURCE, repository)
    with pytest.raises(OutsideDataError):
        reader.scan(reader.parts())


@pytest.mark.parametrize(
    "catalog", ["http://127.0.0.1:1/?token=hidden-token", "postgresql://ana:hidden-pw@127.0.0.1:1/c"]
)
def test_a_catalog_that_is_not_there_is_named_without_secrets(tmp_path, catalog):
    with pytest.raises(StoreError) as caught:
        parts(tmp_path, named(catalog=catalog))
    assert caught.value.code == "FC605"
    assert "127.0.0.1" in caught.value.message
    assert "hidden" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("catalog", ["glue://eu-west-1", "thrift://127.0.0.1:1"])
def test_a_module_that_is_missing_is_named_with_what_brings_it(tmp_path, catalog, monkeypatch):
    for module in ("boto3", "hive_metastore", "hive_metastore.ThriftHiveMetastore"):
        monkeypatch.setitem(sys.modules, module, None)
    kind = catalog.partition(":")[0].replace("thrift", "hive")
    for module in [name for name in sys.modules if name.startswith(f"pyiceberg.catalog.{kind}")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(StoreError) as caught:
        parts(tmp_path, named(catalog=catalog))
    assert (caught.value.code, caught.value.hint) == ("FC605", f"pip install 'pyiceberg[{kind}]'")


def failing_at(error):
    def fails(*_, **__):
        raise error

    return fails


def test_a_fault_of_ours_is_no_failure_of_a_catalog(lake, monkeypatch):
    monkeypatch.setattr("featurectl.sources.iceberg.lookup.open_catalog", failing_at(TypeError("a fault")))
    with pytest.raises(TypeError, match="a fault"):
        parts(lake.root)


@pytest.mark.parametrize(
    ("catalog", "module", "hint"),
    [
        ("postgresql://h/c", "psycopg", "pip install 'featurectl[postgres]'"),
        ("https://h/", "rest_extra", "pip install 'featurectl[iceberg]'"),
        ("glue://", "botocore", "pip install 'featurectl[iceberg]'"),
    ],
)
def test_a_module_that_is_missing_is_none_of_postgresql_elsewhere(tmp_path, monkeypatch, catalog, module, hint):
    missing = ModuleNotFoundError(f"No module named {module!r}", name=module)
    monkeypatch.setattr("featurectl.sources.iceberg.lookup.open_catalog", failing_at(missing))
    with pytest.raises(StoreError, match=f"the module {module} is missing") as caught:
        parts(tmp_path, named(catalog=catalog))
    assert (caught.value.code, caught.value.hint) == ("FC605", hint)


def test_a_library_of_a_catalog_that_fails_is_told_with_the_catalog(lake, monkeypatch):
    monkeypatch.setattr("pyiceberg.catalog.sql.create_engine", failing_at(KeyError("a word")))
    said = r"the catalog sqlite:///catalog.db can't be read: KeyError: 'a word'"
    with pytest.raises(StoreError, match=said) as caught:
        parts(lake.root)
    assert caught.value.code == "FC605"


def test_without_pyiceberg_the_extra_is_named(lake, monkeypatch):
    for module in [name for name in sys.modules if name.startswith("featurectl.sources.iceberg.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog", None)
    with pytest.raises(StoreError) as caught:
        parts(lake.root)
    assert (caught.value.code, caught.value.hint) == ("FC605", "pip install 'featurectl[iceberg]'")
    assert read_schema(SOURCE, lake.root) is None


def test_a_catalog_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("featurectl.sources.iceberg.catalogs.READ_S", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(StoreError, match="no answer in time") as caught,
    ):
        parts(tmp_path, named(catalog=f"http://127.0.0.1:{silent.getsockname()[1]}/"))
    assert caught.value.code == "FC605"


@contextmanager
def rest_catalog(lake):
    """Serve the table of a lake as a REST catalog does, to who has the token; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            is_known = self.headers.get("Authorization") == "Bearer s3cret-token"
            if not is_known:
                self.answer(401, {"error": {"message": "who?", "type": "NotAuthorizedException", "code": 401}})
            elif self.path.startswith("/v1/config"):
                self.answer(200, {"defaults": {}, "overrides": {}})
            elif self.path == "/v1/namespaces/shop/tables/orders":
                place = lake.table.metadata_location
                metadata = json.loads(Path(place.removeprefix("file://")).read_text())
                self.answer(200, {"metadata-location": place, "metadata": metadata, "config": {}})
            elif self.path.startswith("/v1/namespaces/shop/tables"):
                if self.path.endswith("tables"):
                    self.answer(200, {"identifiers": [{"namespace": ["shop"], "name": "orders"}]})
                else:
                    self.answer(404, {"error": {"message": "none", "type": "NoSuchTableException", "code": 404}})

        def answer(self, code, document):
            body = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/?token=${{TOKEN}}"
        server.shutdown()


def test_a_table_of_a_rest_catalog_is_read_by_its_token(lake, monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cret-token")
    with rest_catalog(lake) as address:
        reader = open_source(named(catalog=address), lake.root)
        assert reader.scan(reader.parts()).collect().height == 2
        with pytest.raises(DataError, match=r"no table shop\.orderz in the catalog http://127\.") as caught:
            parts(lake.root, named("shop.orderz", address))
        assert (caught.value.code, caught.value.hint) == ("FC501", 'did you mean "shop.orders"?')
        monkeypatch.setenv("TOKEN", "wr0ng-token")
        with pytest.raises(StoreError, match=r"who\?") as refused:
            parts(lake.root, named(catalog=address))
    assert refused.value.code == "FC605"
    assert "wr0ng" not in refused.value.message
