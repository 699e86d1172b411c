"""Addresses that begin like nothing of their kind are told where they stand, without a look at what they mean."""

from __future__ import annotations

import pytest

from featurectl.language.problems.report import Report
from featurectl.language.shapes.addresses import CATALOGS, DATABASES, FOLDERS, ONLINE_STORES, REGISTRIES, check_address
from featurectl.language.syntax.place import Place
from featurectl.online.all_stores import STORES


def told(address, kind):
    report = Report()
    check_address(address, kind, Place("o.yaml"), report)
    return [(of.code, of.message, of.suggestion) for of in report.problems]


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (ONLINE_STORES, "redis://h/0"), (ONLINE_STORES, "REDISS://h/0"), (ONLINE_STORES, "${REDIS}"),
        (ONLINE_STORES, "${A:-redus://h}"), (ONLINE_STORES, "sqlite:///o.db"), (REGISTRIES, "postgresql+psycopg://h/r"),
        (FOLDERS, "data/*.parquet"), (FOLDERS, "s3://bucket/x"), (FOLDERS, "${LAKE}/x"), (FOLDERS, "az://c/x"),
        (DATABASES, "postgresql+psycopg://h/d"), (DATABASES, "mysql+pymysql://h/d"), (DATABASES, "cockroachdb://h/d"),
        (DATABASES, "postgresql://${USER}@${HOST}/d"), (DATABASES, "rqlite://h/d"), (DATABASES, "hive://h/d"),
        (CATALOGS, "sqlite:///lake/catalog.db"), (CATALOGS, "https://h/api?warehouse=w"), (CATALOGS, "glue://eu-west-1"),
        (CATALOGS, "prod"), (CATALOGS, "${CATALOG}"),
    ],
)  # fmt: skip
def test_what_an_address_may_begin_with(kind, address):
    assert told(address, kind) == []


@pytest.mark.parametrize(
    ("kind", "address", "message", "suggestion"),
    [
        (ONLINE_STORES, "redus://h/0", 'no online stores are at "redus://"', 'did you mean "redis"?'),
        (ONLINE_STORES, "o.db", '"o.db" is no URL', ""),
        (ONLINE_STORES, "sqlite://o.db", 'no online stores are at "sqlite://"', 'did you mean "sqlite:///"?'),
        (REGISTRIES, "postgres://h/r", 'no registries are at "postgres://"', 'did you mean "postgresql"?'),
        (REGISTRIES, "mongodb://${H}/r", 'no registries are at "mongodb://"', ""),
        (FOLDERS, "s4://b/x", 'no folders and files are at "s4://"', ""),
        (DATABASES, "postgres://h/d", 'no databases are at "postgres://"', 'did you mean "postgresql"?'),
        (DATABASES, "snowflke://h/d", 'no databases are at "snowflke://"', 'did you mean "snowflake"?'),
        (CATALOGS, "sqlite://c.db", 'no catalogs are at "sqlite://"', 'did you mean "sqlite:///"?'),
        (CATALOGS, "s3://bucket/c", 'no catalogs are at "s3://"', ""),
        (DATABASES, "shop.db", '"shop.db" is no URL', ""),
    ],
)
def test_what_begins_like_nothing_of_its_kind_is_told(kind, address, message, suggestion):
    assert told(address, kind) == [("FC104", message, suggestion)]


def test_online_stores_are_those_that_can_be_opened():
    assert set(ONLINE_STORES.schemes) == set(STORES)
