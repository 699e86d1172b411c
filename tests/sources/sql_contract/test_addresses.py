"""URLs of PostgreSQL mean to libpq what they mean to SQLAlchemy: hosts, sockets, encryption, options."""

from __future__ import annotations

from urllib.parse import quote

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.sources.sql.postgres_address import libpq_address, libpq_parameters
from tests.servers.tls import tls_proxy
from tests.sources.sql_contract.kinds import postgres_database

ADDRESSES = {
    "postgresql://db": {"host": "db"},
    "postgresql+psycopg://ana@db:5433/shop": {"host": "db", "port": "5433", "user": "ana", "dbname": "shop"},
    "postgresql://ana:p%40s%27s%20w%5C@db/shop": {"password": "p@s's w\\", "user": "ana"},
    "postgresql://ana:pw@/shop?host=/var/run/pg": {"host": "/var/run/pg", "dbname": "shop"},
    "postgresql:///shop?host=a:1&host=b:2": {"host": "a,b", "port": "1,2"},
    "postgresql://[::1]:6543/shop": {"host": "::1", "port": "6543"},
    "postgresql://db/shop?sslmode=verify-full&sslrootcert=/c a.pem": {
        "sslmode": "verify-full", "sslrootcert": "/c a.pem"
    },
    "postgresql://db/shop?options=-c%20search_path%3Dmine%20-c%20work_mem%3D1MB": {
        "options": "-c search_path=mine -c work_mem=1MB"
    },
    "postgresql://db/shop?connect_timeout=17&application_name=x": {"connect_timeout": "17", "application_name": "x"},
    "postgresql://db/shop?target_session_attrs=read-only&keepalives_idle=9": {"target_session_attrs": "read-only"},
    "postgresql://db/shop?host=one,two&port=6000,": {"host": "one,two", "port": "6000,"},
}  # fmt: skip


@pytest.mark.parametrize(("url", "wanted"), ADDRESSES.items(), ids=ADDRESSES)
def test_an_address_has_what_psycopg_is_given(url, wanted):
    parameters = libpq_parameters(url)
    assert parameters is not None
    found = conninfo_to_dict(libpq_address(parameters))
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["connect_timeout"] == wanted.get("connect_timeout", "5")
    assert parameters == of_sqlalchemy(url)


def of_sqlalchemy(url):
    """What SQLAlchemy gives psycopg for a URL, with our limit of time; None where that is no address of libpq's."""
    try:
        read = sa.make_url(url)
        _, given = read.get_dialect()().create_connect_args(read)
    except (sa.exc.ArgumentError, ValueError):
        return None
    if given.keys() & OF_PSYCOPG or not all(isinstance(value, str | int) for value in given.values()):
        return None
    return {"connect_timeout": "5"} | {name: str(value) for name, value in given.items()}


OF_PSYCOPG = {"autocommit", "cls", "conninfo", "context", "cursor_factory", "prepare_threshold", "row_factory"}
TEXTS = st.text("aZ09.:/@?#&=,[]%+- é'\\", max_size=6)  # what addresses are written with, and what must be escaped
ESCAPED = st.builds(quote, TEXTS, safe=st.sampled_from(["", "/:@"]))
PORTS = st.sampled_from(["", ":", ":5433", ":0", ":05", ":x", ":70000"])
PLACES = st.sampled_from(["", "db", "10.0.0.1", "[::1]", "[fe80::1%25eth0]", "a,b", "/run/pg", "DB.Example-1.org"])
VALUES = st.sampled_from(["a:1", "b:2", "a", ":5", "/run/pg", "%2Frun%2Fpg", "a,b", "a:1,b:2", "::1", "1", "1,2", ","])
NAMES = st.sampled_from(
    ["host", "host", "port", "user", "dbname", "sslmode", "options", "connect_timeout", "row_factory"]
)
WORDS = st.lists(st.builds("{}={}".format, NAMES | ESCAPED, VALUES | ESCAPED | TEXTS), max_size=4).map("&".join)
LOGINS = st.just("") | st.builds("{}@".format, ESCAPED) | st.builds("{}:{}@".format, ESCAPED | TEXTS, ESCAPED | TEXTS)
DATABASES = st.sampled_from(["", "/"]) | st.builds("/{}".format, ESCAPED)
KINDS = st.sampled_from(["postgresql", "postgresql+psycopg"])
URLS = st.builds(
    "{}://{}{}{}{}{}".format, KINDS, LOGINS, PLACES, PORTS, DATABASES, st.just("") | WORDS.map("?{}".format)
)


@pytest.mark.long
@settings(max_examples=500)
@given(URLS | st.builds("postgresql://{}".format, TEXTS | st.text(max_size=12)))
def test_any_address_means_what_it_means_to_sqlalchemy(url):
    parameters = libpq_parameters(url)
    assert parameters == of_sqlalchemy(url)


def test_an_address_of_another_driver_is_none_of_libpqs():
    assert libpq_parameters("postgresql+psycopg2://db/shop") is None
    assert libpq_parameters("postgresql+asyncpg://db/shop") is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("port=x", "is no database URL"),
        ("colour=red", 'invalid connection option "colour"'),
        ("sslmode=a&sslmode=b", "invalid sslmode value"),
        ("connect_timeout=soon", "connect_timeout"),
        ("row_factory=x", "its driver psycopg crashed"),
    ],
)
def test_what_libpq_does_not_take_is_said_without_the_password(tmp_path, monkeypatch, postgres_url, words, message):
    url = postgres_url.replace("@", ":canary-pass@")
    database = postgres_database(tmp_path, f"{url}?{words}", monkeypatch)
    with pytest.raises(FeaturectlError, match=message) as caught:
        database.read("select 1 as a")
    assert caught.value.code in {"FC508", "FC605"}
    assert "canary-pass" not in str(caught.value)


def test_a_driver_that_crashes_is_said_to_have(tmp_path, monkeypatch, postgres_url):
    def crash(*_: object, **__: object) -> None:
        raise KeyError("colour")

    database = postgres_database(tmp_path, postgres_url, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr("psycopg.connection.make_conninfo", crash)
        with pytest.raises(StoreError, match="its driver psycopg crashed: KeyError: 'colour'"):
            database.read("select 1 as a")


@pytest.mark.parametrize("encoding", ["latin1", "SQL_ASCII"])
def test_the_encoding_of_an_address_changes_neither_names_nor_values(tmp_path, monkeypatch, postgres_url, encoding):
    database = postgres_database(tmp_path, f"{postgres_url}?client_encoding={encoding}", monkeypatch)
    found = database.read("select 'é' as \"ü\"")
    assert (found.columns, found.rows()) == (["ü"], [("é",)])
    database.was_read_as(arrow=True)


@pytest.mark.long
def test_a_column_whose_name_is_no_text_is_an_error(tmp_path, monkeypatch, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("drop database if exists featurectl_bytes")
        connection.execute("create database featurectl_bytes encoding 'SQL_ASCII' template template0 locale 'C'")
    try:
        url = f"{postgres_url.rpartition('/')[0]}/featurectl_bytes"
        with psycopg.connect(url, client_encoding="SQL_ASCII") as connection:
            connection.execute(b'create table t ("\xff" int)')
        database = postgres_database(tmp_path, url, monkeypatch)
        with pytest.raises(DataError, match='invalid byte sequence for encoding "UTF8": 0xff'):
            database.read("select * from t")
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("drop database featurectl_bytes with (force)")


@pytest.mark.long
def test_options_and_sockets_reach_the_server_by_either_driver(tmp_path, monkeypatch, postgres_server, postgres_url):
    database = postgres_database(tmp_path, postgres_url, monkeypatch)
    database.run("create schema mine", "create table mine.t (a int)", "insert into mine.t values (7)")
    with database.by_rows():
        row = database.read("select split_part(current_setting('unix_socket_directories'), ',', 1) as a").rows()[0]
    place, name = postgres_url.split("@")[1].split("/")
    port = place.split(":")[1]
    query = "select a, current_setting('application_name') as b from t"
    options = "options=-c%20search_path%3Dmine&application_name=me&sslmode=prefer"
    addresses = [f"{postgres_url}?{options}"]
    if postgres_server.pid:
        addresses.append(f"postgresql://postgres@/{name}?host={row[0]}&port={port}&{options}")
        addresses.append(f"postgresql+psycopg://postgres@/{name}?host=127.0.0.1:1&host=127.0.0.1:{port}&{options}")
    for address in addresses:
        database.url = address
        assert database.read(query).rows() == [(7, "me")]
        database.was_read_as(arrow=True)


def test_a_server_without_encryption_is_refused_where_it_is_asked_for(tmp_path, monkeypatch, postgres_url):
    database = postgres_database(tmp_path, f"{postgres_url}?sslmode=require", monkeypatch)
    with pytest.raises(StoreError, match="server does not support SSL"):
        database.read("select 1 as a")


def test_an_encrypted_connection_is_read_as_arrow(tmp_path, monkeypatch, postgres_url, certificates):
    certificates.server.set_alpn_protocols(["postgresql"])
    place, name = postgres_url.split("@")[1].split("/")
    with tls_proxy(certificates, int(place.split(":")[1])) as port:
        options = f"sslmode=verify-full&sslnegotiation=direct&sslrootcert={certificates.authority_file}"
        url = f"postgresql://postgres@127.0.0.1:{port}/{name}?{options}"
        database = postgres_database(tmp_path, url, monkeypatch)
        assert database.read("select 1 as a").rows() == [(1,)]
        database.was_read_as(arrow=True)
