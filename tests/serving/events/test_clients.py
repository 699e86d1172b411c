"""Both clients in Python send events: to the topic itself, with the checks and the keys of the server."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featurectl
from featurectl.core.errors import DataError, NoAnswerError, UsageError
from featurectl.online.client.event_sender import AcknowledgedEvents
from featurectl.streaming.intake import client_sender
from featurectl.streaming.topics.partitioner import partition_of
from tests.serving.events.shop import PARTITIONS, EventShop, swipe, wait_for
from tests.serving.events.working import working

Send = Callable[..., AcknowledgedEvents]
EVENT = swipe(9, at="2026-11-01T00:00:00Z")


def waiting(root: Path, *arguments: Any, **how: Any) -> AcknowledgedEvents:
    with featurectl.open_client(root) as client:
        return client.send(*arguments, **how)


def beside(root: Path, *arguments: Any, **how: Any) -> AcknowledgedEvents:
    async def send() -> AcknowledgedEvents:
        async with featurectl.open_async_client(root) as client:
            return await client.send(*arguments, **how)

    return asyncio.run(send())


@pytest.fixture(params=[waiting, pytest.param(beside, marks=pytest.mark.long)])
def send(request: pytest.FixtureRequest) -> Send:
    """What sends with one of the clients, which is opened for it."""
    sent: Send = request.param
    return sent


@pytest.mark.sample(1)
def test_a_client_sends_whole_lists_once_for_each_key(shop: EventShop, send: Send):
    assert send(shop.root, "swipes", swipe(1)) == AcknowledgedEvents(events=1)
    assert send(shop.root, "swipes", [swipe(2), swipe(3)]) == AcknowledgedEvents(events=2)
    with pytest.raises(DataError, match="1 of 2 events do not fit source swipes, and none was sent: event 2, column"):
        send(shop.root, "swipes", [swipe(4), swipe(5, amount="much")])
    assert [send(shop.root, "swipes", EVENT, idempotency_key="k").repeated for _ in range(2)] == [False, True]
    with pytest.raises(UsageError, match="this idempotency key was used for other events"):
        send(shop.root, "swipes", swipe(10), idempotency_key="k")
    assert shop.sent() == [1, 2, 3, 9]
    for number, part in shop.messages().items():
        assert all(key is not None and partition_of(key, PARTITIONS) == number for key, _ in part)


@pytest.mark.long
def test_a_client_waits_until_workers_have_applied_what_it_sent(file_shop: EventShop, send: Send, monkeypatch):
    file_shop.work()
    monkeypatch.setattr(client_sender.ClientEventSender.__init__, "__defaults__", (60.0,))
    with working(file_shop) as run:
        wait_for(lambda: bool(run.reports))
        for number in range(1, 4):
            found = send(file_shop.root, "swipes", swipe(number, card="c1"), sync=True)
            assert found == AcknowledgedEvents(events=1, applied=True)
            with featurectl.open_client(file_shop.root) as client:
                assert client.get(["spend:count_1h"], {"card": ["c1"]}).values() == {"count_1h": [number]}


def test_wrong_calls_are_refused_in_words(file_shop: EventShop):
    cases: list[tuple[str, Any, str | None, str]] = [
        ("shops", swipe(1), None, "source shops is no stream"),
        ("swipers", swipe(1), None, "swipers"),
        ("swipes", [7], None, "event 1: no mapping but int"),
        ("swipes", [swipe(1), swipe(2, card=object())], None, "event 2: object is no type of a column"),
        ("swipes", [swipe(1, card="\ud800")], None, "event 1: "),
        ("swipes", swipe(1), "", "idempotency_key: 0 characters"),
        ("swipes", swipe(1), "k" * 256, "idempotency_key: 256 characters"),
    ]
    with featurectl.open_client(file_shop.root) as client:
        for source, events, key, says in cases:
            with pytest.raises((UsageError, DataError)) as error:
                client.send(source, events, idempotency_key=key)
            assert says in error.value.message
    assert file_shop.sent() == []


@pytest.mark.long
def test_values_of_python_are_written_as_the_language_has_them(file_shop: EventShop):
    more = "amount: float64, 'on': date, fee: 'decimal(9,2)', tags: list(string)"
    file_shop.apply(lambda text: text.replace("amount: float64", more))
    at = datetime(2026, 1, 8, 12, tzinfo=timezone(timedelta(hours=2)))
    event = {"swipe": np.int64(1), "card": "ö", "amount": np.float64(0.5), "at": at, "on": date(2026, 1, 8),
             "fee": Decimal("1E+1"), "tags": ("a", None), "other": float("nan")}  # fmt: skip
    assert waiting(file_shop.root, "swipes", event).events == 1
    [[(_, value)]] = [part for part in file_shop.messages().values() if part]
    assert json.loads(value) == {
        "swipe": 1, "card": "ö", "amount": 0.5, "at": "2026-01-08T10:00:00.000000Z", "on": "2026-01-08", "fee": "10",
        "tags": ["a", None], "other": "NaN",
    }  # fmt: skip
    assert waiting(file_shop.root, "swipes", []).events == 0


@pytest.mark.long
def test_a_broker_that_hangs_is_left_in_time(file_shop: EventShop, send: Send, monkeypatch):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        files = file_shop.root / "featurectl.yaml"
        address = f"redis://127.0.0.1:{listening.getsockname()[1]}"
        files.write_text(files.read_text().replace("sqlite:///streams.db", address))
        monkeypatch.setattr(client_sender.ClientEventSender.__init__, "__defaults__", (0.5,))
        with pytest.raises(NoAnswerError):
            send(file_shop.root, "swipes", swipe(1))


def test_a_client_of_another_instant_sends_nothing(file_shop: EventShop):
    client = featurectl.open_client(file_shop.root, as_of=datetime(2026, 1, 1, tzinfo=UTC))
    with client, pytest.raises(UsageError, match="events are stamped by the clock"):
        client.send("swipes", swipe(1))
