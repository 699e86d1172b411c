"""URLs of PostgreSQL mean to ADBC what they mean to psycopg: hosts, sockets, encryption, options."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict

from featurectl.core.errors import StoreError
from featurectl.sources.sql.postgres_address import libpq_address
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
    "postgresql://db/shop?autocommit=true&prepare_threshold=3": {"dbname": "shop"},
}  # fmt: skip


@pytest.mark.parametrize(("url", "wanted"), ADDRESSES.items(), ids=ADDRESSES)
def test_an_address_has_what_psycopg_is_given(url, wanted):
    found = conninfo_to_dict(libpq_address(url))
    assert {name: found.get(name) for name in wanted} == wanted
    assert found.get("connect_timeout", "5") == wanted.get("connect_timeout", "5")
    _, given = sa.make_url(url).get_dialect()().create_connect_args(sa.make_url(url))
    own = {name: str(value) for name, value in given.items() if name not in ("autocommit", "prepare_threshold")}
    assert {name: value for name, value in found.items() if name in own} == own


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
