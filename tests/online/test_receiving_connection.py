"""A connection whose replies are received apart: where it can't be, or fails, a trip takes another one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from featurectl.online.redis.receiving_connection import ReceivingConnection
from featurectl.online.stream_state.compiled.loading import LOADED
from featurectl.online.stream_state.compiled.shapes import WHOLE

TRIP = [("LRANGE", b"key", 0, -1)]


class PlayedConnection:
    """A connection of a client that has no transport where it is looked for, or can't be opened."""

    def __init__(self, error: BaseException | None, writer: object) -> None:
        self._error = error
        self._writer = writer
        self.is_open = False

    async def connect(self) -> None:
        self.is_open = True
        if self._error is not None:
            raise self._error

    async def disconnect(self, *, nowait: bool) -> None:
        assert nowait
        self.is_open = False


class PlayedClient:
    """A client that makes such connections."""

    def __init__(self, error: BaseException | None = None, writer: object = None) -> None:
        self.made: list[PlayedConnection] = []
        self._of = error, writer
        self.connection_pool = self

    def make_connection(self) -> PlayedConnection:
        self.made.append(PlayedConnection(*self._of))
        return self.made[-1]


@pytest.fixture(autouse=True)
def _has_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOADED, "loops", SimpleNamespace(replies=None))


def receiving(client: Any) -> ReceivingConnection:
    return ReceivingConnection(client, 1.0)


@pytest.mark.parametrize(
    "client",
    [
        PlayedClient(),
        PlayedClient(writer=object()),
        PlayedClient(writer=SimpleNamespace(transport=object())),
        PlayedClient(redis.ConnectionError("no")),
        PlayedClient(OSError("no")),
    ],
)
def test_what_fails_takes_another_connection_and_is_tried_seldom(client: PlayedClient):
    async def read() -> list[int]:
        connection, tries = receiving(client), []
        for _ in range(20):
            assert await connection.exchange(TRIP, lambda: None) is None
            assert connection.is_free
            tries.append(len(client.made))
        return tries

    assert asyncio.run(read()) == [1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5]
    assert not any(each.is_open for each in client.made)


def test_who_is_cancelled_leaves_no_connection_behind():
    client = PlayedClient(asyncio.CancelledError())

    async def read() -> None:
        connection = receiving(client)
        for _ in range(2):
            with pytest.raises(asyncio.CancelledError):
                await connection.exchange(TRIP, lambda: None)
            assert connection.is_free

    asyncio.run(read())
    assert len(client.made) == 2
    assert not any(each.is_open for each in client.made)


class PlayedTransport:
    """A transport that says in `heard` that something was written."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.protocol: Any = asyncio.Protocol()

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, _: bytes) -> None:
        self.heard.append("written")


def test_what_is_done_meanwhile_is_done_before_replies_come(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(LOADED, "loops", SimpleNamespace(replies=lambda *_: WHOLE))
    transport = PlayedTransport()

    def answer() -> None:
        transport.heard.append("meanwhile")
        transport.protocol.get_buffer(-1)
        transport.protocol.buffer_updated(1)

    async def read() -> int:
        async with asyncio.timeout(10):
            found = await receiving(PlayedClient(writer=SimpleNamespace(transport=transport))).exchange(TRIP, answer)
        return len(found or ())

    assert asyncio.run(read()) == 1
    assert transport.heard == ["written", "meanwhile"]


def test_what_fails_meanwhile_leaves_no_connection_behind():
    client = PlayedClient(writer=SimpleNamespace(transport=PlayedTransport()))
    connection = receiving(client)

    def fail() -> None:
        raise ZeroDivisionError

    async def read() -> None:
        with pytest.raises(ZeroDivisionError):
            await connection.exchange(TRIP, fail)

    asyncio.run(read())
    assert connection.is_free
    assert [each.is_open for each in client.made] == [False]


def test_nothing_is_received_without_loops(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(LOADED, "loops", None)
    client = PlayedClient()
    connection = receiving(client)
    assert not connection.is_free
    assert asyncio.run(connection.exchange(TRIP, lambda: None)) is None
    assert not client.made
