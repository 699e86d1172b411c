"""The URL of a PostgreSQL as libpq takes it, for a driver that knows nothing of SQLAlchemy."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from featurectl.core import postgres

_OF_PSYCOPG: Final = ("autocommit", "context", "cursor_factory", "prepare_threshold", "row_factory")  # not libpq's


def libpq_address(url: str) -> str:
    """Return what psycopg hands to libpq for a URL of SQLAlchemy: hosts, sockets, encryption, options.

    >>> libpq_address("postgresql://ana:a%20b@db/shop?sslmode=require")
    "host=db dbname=shop user=ana password='a b' sslmode=require connect_timeout=5"
    """
    from psycopg.conninfo import make_conninfo

    address = sa.make_url(url)
    arguments, options = address.get_dialect()().create_connect_args(address)
    own = {name: value for name, value in options.items() if name not in _OF_PSYCOPG}
    return make_conninfo(*arguments, **{**own, "connect_timeout": options.get("connect_timeout", postgres.CONNECT_S)})


def refused(address: str) -> str:
    """Return why a server takes no new connection; empty when it does."""
    import psycopg

    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError as error:
        return (str(error).strip().splitlines() or ["no connection"])[0]
    return ""
