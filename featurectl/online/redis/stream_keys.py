"""Where the state of streams lies in Redis or Valkey; docs/reference/online-store.md has the layout byte by byte.

    <project>/<env>/r:{<source>}                                 hash: the register of a source
    <project>/<env>/s:{<entity key>}/<view>@<version>#<name>     list of a generation and entity: a head, then records
    <project>/<env>/m:{<number>}/<source>                        hash: what says that the lists of a master are whole

The scans of rows (`online/redis/keys.py`) never meet them: there a colon follows the environment.
"""

from __future__ import annotations

from featurectl.online.redis.keys import escaped
from featurectl.online.stream_state.base import Generation, StreamSource


def register_key(source: StreamSource) -> bytes:
    """Return the key of the register of a source.

    >>> register_key(StreamSource(project="shop", env="dev", source="swipes"))
    b'shop/dev/r:{swipes}'
    """
    return f"{source.project}/{source.env}/r:{{{source.source}}}".encode()


def register_pattern(source: StreamSource) -> str:
    """Return the pattern of the keys of the registers of all sources beside one."""
    return f"{escaped(f'{source.project}/{source.env}')}/r:{{*}}"


def list_ends(source: StreamSource, generation: Generation) -> tuple[bytes, bytes]:
    """Return what stands before and behind an entity's key in the key of its list.

    >>> list_ends(StreamSource(project="shop", env="dev", source="swipes"), Generation(view="spend@1", id="5f"))
    (b'shop/dev/s:{', b'}/spend@1#5f')
    """
    return f"{source.project}/{source.env}/s:{{".encode(), f"}}/{generation.name}".encode()


def list_pattern(source: StreamSource, view: str, name: str) -> str:
    """Return the pattern of the keys of all lists of a view version: of a generation, or of all (`*`)."""
    named = name if name == "*" else escaped(name)
    return f"{escaped(f'{source.project}/{source.env}')}/s:{{*}}/{escaped(view)}#{named}"


def mark_key(source: StreamSource, tag: bytes) -> bytes:
    """Return the key of what says that the lists of a master are whole; the tag lies in one of its slots."""
    return b"%b/m:{%b}/%b" % (f"{source.project}/{source.env}".encode(), tag, source.source.encode())
