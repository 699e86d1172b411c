"""Where things lie in Redis or Valkey: a hash per entity, in it a field per view version.

    <project>/<env>:{<entity key>}   hash: <view>@<version> -> packed row (`online/codec.py`)
    <project>/<env>                  hash: schema/<view>@<version>/<schema id> -> schema document
                                           push/<view>@<version>              -> push record
                                           count/<view>@<version>             -> number of entities
                                           writer/<view>@<version>            -> who writes (`online/redis/scripts.py`)

The braces are the hash tag of Redis Cluster. A row of up to 64 bytes keeps the hash in its compact form; for
longer ones set `hash-max-listpack-value 512`.
"""

from __future__ import annotations

from featurectl.online.base import OnlineView


def home_of(view: OnlineView) -> str:
    """Return the key of the hash of what all entities of an environment share."""
    return f"{view.project}/{view.env}"


def prefix_of(view: OnlineView) -> bytes:
    """Return how the keys of entities begin; the packed key and a closing brace follow."""
    return f"{home_of(view)}:{{".encode()


def escaped(text: str) -> str:
    """Return a text that matches itself alone in a glob pattern."""
    return "".join(f"\\{char}" if char in r"*?[]^\\" else char for char in text)
