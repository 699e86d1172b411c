"""What libpq is given for the URL of a PostgreSQL as SQLAlchemy reads it, which need not be there for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote

from featurectl.core import postgres
from featurectl.sources.sql.query_run import first_line

# As in sqlalchemy/engine/url.py: a password may have colons and slashes, a user's name and a database's may have an @.
_URL: Final = re.compile(
    r"postgresql(?:\+psycopg)?://"
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?:(?:\[(?P<v6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?)?"
    r"(?:/(?P<dbname>[^?]*))?(?:\?(?P<query>.*))?"
)
_HOST_WITH_PORT: Final = re.compile(r"[a-zA-Z0-9\-.]*:\d*")
# Arguments of psycopg's own, which are no texts: SQLAlchemy would hand them on, and says what comes of it.
_OF_PSYCOPG: Final = frozenset(
    {"autocommit", "cls", "conninfo", "context", "cursor_factory", "prepare_threshold", "row_factory"}
)


def libpq_parameters(url: str) -> Mapping[str, str] | None:
    """Return what libpq is given for a URL of psycopg: hosts, sockets, encryption, options, with a limit of time.

    None for a URL of another driver, and for one that means nothing to libpq: SQLAlchemy says what is wrong with it.

    >>> libpq_parameters("postgresql://ana:a%20b@db/shop?sslmode=require")
    {'host': 'db', 'user': 'ana', 'password': 'a b', 'dbname': 'shop', 'sslmode': 'require', 'connect_timeout': '5'}
    >>> libpq_parameters("postgresql+asyncpg://db/shop")
    """
    found = _URL.match(url)
    if found is None:
        return None
    try:
        login = {name: unquote(found[name] or "") for name in ("user", "password", "dbname")}
        port = int("0" if found["port"] is None else found["port"])
        place = {"host": found["host"] or found["v6"], "port": str(port or "")}
        given = {name: value for name, value in {**place, **login}.items() if value} | _of_query(found["query"] or "")
    except ValueError:
        return None
    given.setdefault("connect_timeout", str(postgres.CONNECT_S))
    return None if given.keys() & _OF_PSYCOPG else given


def _of_query(query: str) -> dict[str, str]:
    """Return the parameters that stand in a URL behind its question mark.

    Raises:
        ValueError: one that can't be there twice is, or the ports are not those of the hosts.
    """
    pairs = parse_qsl(query)
    found = dict(pairs)
    hosts = [value for name, value in pairs if name == "host"]
    if len(pairs) > len(found) + max(len(hosts) - 1, 0):
        raise ValueError(query)
    if hosts:
        return found | _places(hosts, found.get("port", ""))
    _number(found.get("port", ""))
    return found


def _places(hosts: Sequence[str], ports: str) -> dict[str, str]:
    """Return hosts and ports with commas between them: they are given so, or by a parameter HOST:PORT for each.

    Raises:
        ValueError: a port is no number, or they are not as many as the hosts.
    """
    if len(hosts) > 1 or (not ports and _HOST_WITH_PORT.fullmatch(hosts[0])):
        names, numbers = zip(*(host.split(":") if ":" in host else (host, "") for host in hosts), strict=False)
        if ports:
            raise ValueError(ports)
    else:
        names = tuple(hosts[0].split(","))
        numbers = tuple(ports.split(",")) if ports else ("",) * len(names)
    if len(names) != len(numbers):
        raise ValueError(ports)
    port = ",".join(map(_number, numbers))
    return {"host": ",".join(names), **({"port": port} if port else {})}


def _number(port: str) -> str:
    """Return a port as libpq is given it: "" for none, and for 0, is the one that it takes by default."""
    return str(int(port or 0) or "")


def libpq_address(parameters: Mapping[str, str]) -> str:
    """Return what is given to libpq as the one text that drivers take which know nothing of psycopg.

    >>> libpq_address({"host": "db", "password": "a b"})
    "host=db password='a b'"
    """
    from psycopg.conninfo import make_conninfo

    return make_conninfo("", **parameters)


def refused(address: str) -> str:
    """Return why a server takes no new connection; empty when it does."""
    import psycopg

    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError as error:
        return first_line(error)
    return ""
