"""Drivers of databases: what to install where one is missing, and whether it was one that failed, or we."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from featurectl.core.nearest import did_you_mean
from featurectl.core.variables import hide_passwords

SQLITE_URL: Final = "sqlite:///"  # begins the URL of a SQLite file

_SQLALCHEMY: Final = "sqlalchemy"
_OURS: Final = "featurectl"
_BETWEEN: Final = ("featurectl.core.postgres",)  # what of us stands between SQLAlchemy and a driver
_CONNECT: Final = "_connect"  # the beginning of our functions that do
_EXTRA: Final = "pip install 'featurectl[postgres]'"
_EXTRAS: Final = ("bigquery", "duckdb", "iceberg", "snowflake")
_KINDS: Final = ("sqlite", "postgresql", "duckdb", "mysql", "mariadb", "snowflake", "bigquery")
_DUCKDB: Final = "pip install duckdb-engine, which reads URLs with options, or write duckdb:///FILE without any"
_PACKAGES: Final = {
    "clickhouse": "clickhouse-sqlalchemy",
    "databricks": "databricks-sqlalchemy",
    "mariadb": "mysqlclient",
    "mssql": "pyodbc",
    "mysql": "mysqlclient",
    "oracle": "oracledb",
    "redshift": "sqlalchemy-redshift",
    "trino": "trino",
}


def missing_driver(kind: str, driver: str, error: ImportError | Exception) -> tuple[str, str]:
    """Return what is missing for a URL of a kind, and what to do: `driver` is what it names behind a plus, or "".

    >>> missing_driver("postgresql", "", ModuleNotFoundError(name="psycopg"))
    ('no driver for postgresql: the module psycopg is missing', "pip install 'featurectl[postgres]'")
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        what = f"the module {error.name} is missing"
    elif isinstance(error, ImportError):
        what = _one_line(error)
    else:
        what = "no installed package brings one"
    if kind == "duckdb" and not isinstance(error, ImportError):
        return f"no driver for duckdb: {what}", _DUCKDB
    return f"no driver for {kind}{f'+{driver}' if driver else ''}: {what}", _advice(kind, driver)


def _advice(kind: str, driver: str) -> str:
    if kind in ("postgresql", "postgres"):
        return _EXTRA if driver in ("", "psycopg") else f"{_EXTRA}, and write postgresql://"
    if kind in _EXTRAS:
        return f"pip install 'featurectl[{kind}]'"
    if kind in ("mysql", "mariadb") and driver in ("", "pymysql"):
        return "pip install 'featurectl[mysql]'"
    package = _PACKAGES.get(kind)
    if package:
        return f"pip install {package}"
    return (
        did_you_mean(kind, _KINDS)
        or f"{', '.join(_KINDS[:-1])} and {_KINDS[-1]} work; others need a SQLAlchemy dialect"
    )


def driver_fault(error: BaseException, driver: str, modules: Collection[str]) -> str:
    """Return what a driver said that failed in a way of its own; "" when the error is ours.

    `modules` are the first parts of the names of the driver's modules. It is the driver's when the innermost of all
    that is neither SQLAlchemy's nor between it and a driver is not ours.
    """
    theirs = False
    for name, function in _frames(error):
        root = name.partition(".")[0]
        if root == _SQLALCHEMY or root in modules:
            theirs = True
        elif root == _OURS and name not in _BETWEEN and not function.startswith(_CONNECT):
            theirs = False
    return f"its driver {driver} crashed: {type(error).__name__}: {_one_line(error)}" if theirs else ""


def _frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield the module and the function of each frame that an error came through, the outermost first."""
    trace = error.__traceback__
    while trace is not None:
        yield str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_frame.f_code.co_name
        trace = trace.tb_next


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return hide_passwords(lines[0][:300]) if lines else "without a word"
