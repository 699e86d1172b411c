"""Which of the servers that an address names is asked: the one that may be written, whoever else hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

AsyncSession = psycopg.AsyncConnection[Any]
_PLACES: Final = ("host", "hostaddr", "port")
_ONE_OF_THEM: Final = ("read-write", "primary")


async def connect_to_one(url: str, options: Mapping[str, Any]) -> AsyncSession:
    """Return a connection to the server of an address that takes one.

    Where the one that may be written is wanted of several, all are tried at once: one that does not even refuse, as its
    machine is gone, would keep the others waiting. Otherwise they are tried in their order.

    Raises:
        OperationalError: none takes one; it is what the first one said.
    """
    tries = [asyncio.ensure_future(AsyncSession.connect(each, **options)) for each in tried_at_once(url)]
    chosen: asyncio.Future[AsyncSession] = tries[0]
    try:
        waiting = {*tries}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if taken := [each for each in done if each.exception() is None]:
                chosen = taken[0]
                break
    finally:
        await _end([each for each in tries if each is not chosen or not each.done()])
    return chosen.result()


def tried_at_once(url: str) -> list[str]:
    """Return an address for each host of one that names several, of which one at most is wanted; else itself.

    >>> tried_at_once("postgresql://one,two:6000/shop?target_session_attrs=any")
    ['postgresql://one,two:6000/shop?target_session_attrs=any']
    >>> tried_at_once("postgresql://one,two:6000/shop?target_session_attrs=primary")[1]
    'dbname=shop target_session_attrs=primary host=two port=6000'
    """
    params = conninfo_to_dict(url)
    lists = {name: str(params[name]).split(",") for name in _PLACES if params.get(name)}
    count = max((len(values) for values in lists.values()), default=1)
    if count == 1 or params.get("target_session_attrs") not in _ONE_OF_THEM:
        return [url]
    same = {name: value for name, value in params.items() if name not in _PLACES}
    return [
        make_conninfo("", **same, **{name: values[at % len(values)] for name, values in lists.items()})
        for at in range(count)
    ]


async def _end(tries: Sequence[asyncio.Future[AsyncSession]]) -> None:
    """Give up tries, and close what has come of them."""
    if not tries:
        return
    for each in tries:
        each.cancel()
    await asyncio.wait(tries)
    for each in tries:
        if not each.cancelled() and each.exception() is None:
            await each.result().close()
