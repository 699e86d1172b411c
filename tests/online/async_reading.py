"""What tests of readers for one event loop ask of a store of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

from featurectl.online.all_stores import open_async_reader, open_online
from featurectl.online.base import Ask, OnlineView
from featurectl.online.codec import pack_key
from tests.online.rows import frame, view

BUDGET_S = 20.0  # where nothing goes wrong, whatever else the machine does


def filled(url: str, count: int, of: OnlineView | None = None) -> OnlineView:
    """Return a view of which so many entities have a row."""
    made = of or view({"n": "int64"}, {"id": "int64"})
    with closing(open_online(url)) as store:
        store.write(made, frame(made, [[n] for n in range(count)], [[n] for n in range(count)]))
    return made


def ask(of: OnlineView, *numbers: int, fields: tuple[str, ...] = ("spend@1",)) -> Ask:
    """Return what asks for the rows of some entities."""
    return Ask(project=of.project, env=of.env, fields=fields, keys=[pack_key([n], ["int64"]) for n in numbers])


@asynccontextmanager
async def reader_of(url: str, budget_s: float = BUDGET_S) -> AsyncIterator[Any]:
    """Open a reader for as long as this lasts."""
    reader = open_async_reader(url, "the store", budget_s)
    try:
        yield reader
    finally:
        await reader.close()


def last(row: bytes | None) -> int | None:
    """Return the last byte of a row."""
    return None if row is None else row[-1]
