"""Whether two URLs of topics, as they are written, say the same place: by scheme, hosts, ports and database."""

from __future__ import annotations

import re
from posixpath import normpath
from typing import Final, NamedTuple

_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(:-[^}]*)?\}")
_HOST: Final = re.compile(r"(?P<host>\[[^\]]*\]|\$\{\w+\}|[^:]*)(:(?P<port>.*))?")
_FILES: Final = "sqlite"
_REDIS: Final = "redis"
_PORTS: Final = {_REDIS: "6379", "kafka": "9092"}
_DATABASE: Final = re.compile(r"(?:^|&)db=([^&]*)")


class TopicPlace(NamedTuple):
    """Where topics lie: the kind of the broker, any of its hosts with their ports, and the file or the database."""

    kind: str
    hosts: frozenset[str]
    path: str


def is_same_place(one: str, other: str) -> bool:
    """Return whether topics at two URLs lie in one place, as far as how they are written shows it.

    Users, passwords and options say nothing of it, and of several hosts one in common is enough. A variable is the
    same as itself, whatever its default is. Two names of one host are not known to be one.

    >>> is_same_place("redis://ana:x@Cache", "rediss://cache:6379/0"), is_same_place("redis://cache/1", "redis://cache")
    (True, False)
    >>> is_same_place("kafka://a,b", "kafka://b:9092/?ca=f"), is_same_place("${BROKER}", "${BROKER:-redis://r}")
    (True, True)
    """
    first, second = _place_of(one), _place_of(other)
    share_host = first.hosts == second.hosts or bool(first.hosts & second.hosts)
    return (first.kind, first.path) == (second.kind, second.path) and share_host


def _place_of(url: str) -> TopicPlace:
    text = _VARIABLE.sub(lambda found: f"${{{found['name']}}}", url)
    scheme, mark, rest = text.partition("://")
    kind = scheme.lower().partition("+")[0]
    kind = _REDIS if kind == "rediss" else kind
    if not mark or (kind not in _PORTS and kind != _FILES):
        return TopicPlace(kind="", hosts=frozenset(), path=text)  # a variable may say all of it
    if kind == _FILES:
        return TopicPlace(kind=kind, hosts=frozenset(), path=normpath(rest.removeprefix("/")))
    rest, _, query = rest.rpartition("@")[2].partition("?")
    hosts, _, path = rest.partition("/")
    found = frozenset(_host_of(host, _PORTS[kind]) for host in hosts.split(","))
    return TopicPlace(kind=kind, hosts=found, path=_database_of(path, query) if kind == _REDIS else "")


def _host_of(written: str, port: str) -> str:
    found = _HOST.fullmatch(written)
    assert found is not None, "all is a host"
    host = found["host"] or "localhost"
    return f"{host if host.startswith('$') else host.lower()}:{found['port'] or port}"


def _database_of(path: str, query: str) -> str:
    """Return which database of a Redis a URL says: in its options, else in its path, else the first one."""
    in_query = _DATABASE.search(query)
    written = in_query[1] if in_query else path.replace("/", "")
    return (written.lstrip("0") or "0") if written.isdigit() or not written else written
