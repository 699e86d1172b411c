"""Drivers of databases that are missing, or crash: told by name, with what to install; never a fault of ours."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.dialects import registry as dialects
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from featurectl.cli.main import main
from featurectl.core.drivers import driver_fault, missing_driver
from featurectl.operations.scoring.sql_table import open_table
from featurectl.registry.sql import SqlRegistry

FILES = """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db"}
"""
VIEWS = """
entities: [{name: customer, keys: {customer: string}}]
sources:
  - name: orders
    sql: {url: "${WH}", query: select * from orders}
    event_time: ordered_at
    columns: {customer: string, ordered_at: timestamp, amount: float64}
feature_views:
  - {name: spend, entity: customer, source: orders, features: [amount]}
"""


class CrashingDialect(SQLiteDialect_pysqlite):
    """A dialect of somebody else, whose driver crashes where its test says so."""

    driver = "crashing"
    supports_statement_cache = True
    where = ""

    @classmethod
    def import_dbapi(cls):
        if cls.where == "import":
            raise ImportError("libcrash.so.2: cannot open shared object file")
        return sqlite3

    def create_connect_args(self, url):
        del url
        return [":memory:"], {}

    def connect(self, *args, **options):
        if self.where == "connect":
            raise RuntimeError("bad token for secret hunter2@host\nand a second line")
        return super().connect(*args, **options)

    def do_execute(self, cursor, statement, parameters, context=None):
        if self.where == "execute" and "orders" in statement:
            raise KeyError("column")
        if self.where == "types" and "orders" in statement:
            raise AttributeError("'NoneType' object has no attribute 'decode'")
        super().do_execute(cursor, statement, parameters, context)


dialects.register("crashing", __name__, "CrashingDialect")


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("featurectl.yaml").write_text(FILES)
    Path("views.yaml").write_text(VIEWS)
    monkeypatch.setenv("WH", "sqlite:///orders.db")
    assert main(["apply", "--auto-approve"]) == 0

    def run(url: str, *words: str):
        monkeypatch.setenv("WH", url)
        capsys.readouterr()
        code = main(list(words) or ["materialize"])
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("url", "what", "hint"),
    [
        ("trino://u:pw@acme/db", "no driver for trino", "pip install trino"),
        (
            "mysql+mysqldb://u:pw@host/db",
            "no driver for mysql+mysqldb: the module MySQLdb is missing",
            "pip install mysqlclient",
        ),
        ("postgresql+asdf://u:pw@host/db", "no driver for postgresql+asdf", "and write postgresql://"),
        ("postgresql+psycopg2://u:pw@host/db", "the module psycopg2 is missing", "pip install 'featurectl[postgres]'"),
        ("acme://u:pw@host/db", "no driver for acme", "sqlite, postgresql, duckdb, mysql, mariadb, snowflake and"),
        ("postgre://u:pw@host/db", "no driver for postgre", 'did you mean "postgresql"?'),
        ("duckdb:///f.duckdb?threads=1", "no driver for duckdb: no installed package", "pip install duckdb-engine"),
    ],
)
def test_a_missing_driver_is_told_with_what_to_install(shop, url, what, hint):
    code, err = shop(url)
    assert (code, "source orders: ${WH}: " in err, what in err, hint in err) == (69, True, True, True), err
    assert "pw" not in err


def test_without_the_extra_its_name_is_told(shop, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    code, err = shop("postgresql://host/db")
    assert (code, "pip install 'featurectl[postgres]'" in err) == (69, True), err


def test_what_is_no_url_is_told_as_before(shop):
    code, err = shop("no url at all")
    assert (code, "source orders: ${WH} is no database URL" in err) == (1, True), err
    code, err = shop("postgresql://ana:pw@127.0.0.1:1/db?sslmod=require")
    said = 'error[FC508]: source orders: ${WH} can\'t be opened: invalid connection option "sslmod"'
    assert (code, said in err) == (1, True), err


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("import", "no driver for crashing: libcrash.so.2: cannot open shared object file"),
        ("connect", "its driver crashing crashed: RuntimeError: bad token"),
        ("execute", "its driver crashing crashed: KeyError: 'column'"),
        ("types", "its driver crashing crashed: AttributeError: 'NoneType' object has no attribute 'decode'"),
    ],
)
def test_a_driver_that_crashes_is_not_our_fault(shop, monkeypatch, where, told):
    monkeypatch.setattr(CrashingDialect, "where", where)
    code, err = shop("crashing://host/db")
    assert (code, told in err) == (69, True), err
    assert "fault of featurectl" not in err
    assert "second line" not in err


def crash(*_: object, **__: object):
    raise RuntimeError("the library is broken")


def test_a_driver_of_a_registry_that_crashes_is_not_our_fault(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(psycopg.Connection, "connect", crash)
    monkeypatch.chdir(tmp_path)
    Path("featurectl.yaml").write_text(FILES.replace("sqlite:///r.db", "postgresql://host/db"))
    Path("views.yaml").write_text(VIEWS)
    assert main(["history"]) == 69
    err = capsys.readouterr().err
    assert "error[FC601]" in err
    assert "its driver psycopg crashed: RuntimeError: the library is broken" in err


def test_a_registry_whose_driver_can_not_be_loaded_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Exception, match="no driver for postgresql: the module psycopg is missing"):
        SqlRegistry("postgresql://host/db").load_state("shop")


def test_a_driver_of_a_table_of_scores_that_crashes_is_not_our_fault(monkeypatch):
    monkeypatch.setattr(psycopg.Connection, "connect", crash)
    with pytest.raises(Exception, match="crashed: RuntimeError: the library is broken"):
        open_table("postgresql://u:pw@host/db?table=scores").check()


@pytest.mark.parametrize(("url", "what"), [("trino://host/db?table=t", "no driver for trino")])
def test_a_missing_driver_of_a_table_of_scores_is_told(url, what):
    with pytest.raises(Exception, match=what) as caught:
        open_table(url).check()
    assert caught.value.hint == "pip install trino"


def test_an_error_of_ours_stays_ours():
    with pytest.raises(AttributeError) as caught:
        missing_driver("x", "", None)[0].nothing()
    assert driver_fault(caught.value, "psycopg", {"psycopg"}) == ""
