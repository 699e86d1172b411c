"""Requests that wait behind a broker that takes nothing: withdrawn in time they are not sent, and else all of them."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.request_keys import request_key
from featurectl.online.sqlite.request_keys import SqliteRequestKeys
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.intake.delivery import (
    DeliveredEvents,
    EventDelivery,
    EventRequest,
    IntakePlace,
    KeyBusyError,
    KeyReusedError,
)
from featurectl.streaming.intake.delivery_thread import DeliveryThread
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.topics.faults import MessageTooLargeError
from featurectl.streaming.topics.sqlite import writer as sqlite_writer

LIMIT_S = 60.0


def place_in(folder: Path, limit_s: float = LIMIT_S) -> IntakePlace:
    url = f"sqlite:///{folder / 'streams.db'}"
    return IntakePlace(
        stream=StreamSource(project="shop", env="dev", source="swipes"),
        topic="swipes",
        open_broker=lambda: open_topics(url, "", limit_s),
        open_keys=lambda: SqliteRequestKeys(folder / "on.db", "on.db", limit_s),
        url=url,
    )


def events(*numbers: int, key: str | None = None) -> EventRequest:
    records = [(None, json.dumps(number).encode()) for number in numbers]
    known = None if key is None else request_key(key, json.dumps(numbers).encode())
    return EventRequest(records=records, key=known, size=len(numbers))


def sent(folder: Path) -> list[int]:
    with closing(place_in(folder).open_broker()) as broker, closing(broker.open_reader("swipes")) as reader:
        for number in broker.watermarks("swipes"):
            reader.seek(number, 0)
        return sorted(json.loads(value) for batch in reader.take(TakeLimits()).batches for value in batch.values)


@contextmanager
def sending(folder: Path) -> Iterator[DeliveryThread]:
    def fail(error: BaseException) -> None:
        raise error

    thread = DeliveryThread(EventDelivery(place_in(folder), LIMIT_S), "events", fail)
    try:
        yield thread
    finally:
        thread.close(LIMIT_S)


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Keep others from writing to a file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        yield connection


def test_what_is_withdrawn_before_its_turn_is_not_sent(tmp_path: Path):
    with sending(tmp_path) as thread:
        assert thread.submit(events(1)).result(LIMIT_S) == DeliveredEvents(events=1)
        with locked(tmp_path / "streams.db"):
            first = thread.submit(events(2, 3))
            end_s = time.monotonic() + LIMIT_S
            while not first.running():
                assert time.monotonic() < end_s
                time.sleep(0.005)
            others = [thread.submit(events(number)) for number in range(4, 10)]
            assert [future.cancel() for future in others[::2]] == [True] * 3
            assert first.cancel() is False
        assert first.result(LIMIT_S) == DeliveredEvents(events=2)
        assert [future.result(LIMIT_S).events for future in others[1::2]] == [1, 1, 1]
    assert sent(tmp_path) == [1, 2, 3, 5, 7, 9]


def test_many_at_once_are_sent_once_each(tmp_path: Path):
    with sending(tmp_path) as thread:
        futures: list[object] = []

        def submit(first: int) -> None:
            futures.extend(thread.submit(events(*range(number, number + 3))) for number in range(first, first + 60, 3))

        threads = [threading.Thread(target=submit, args=(first,)) for first in range(0, 300, 60)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(futures) == 100
    assert sent(tmp_path) == list(range(300))


def test_after_its_end_nothing_is_taken(tmp_path: Path):
    with sending(tmp_path) as thread:
        future = thread.submit(events(1))
    assert future.result(0) == DeliveredEvents(events=1)
    with pytest.raises(StoreError, match="was changed or removed"):
        thread.submit(events(2))


def test_requests_of_one_step_are_told_apart_by_their_keys(tmp_path: Path):
    with closing(EventDelivery(place_in(tmp_path), LIMIT_S)) as delivery:
        first = delivery.deliver([events(1, 2, key="a"), events(3), events(1, 2, key="a"), events(9, key="a")])
        assert first[:2] == [DeliveredEvents(events=2), DeliveredEvents(events=1)]
        assert [type(result) for result in first[2:]] == [KeyBusyError, KeyReusedError]
        again = delivery.deliver([events(1, 2, key="a")])
        assert again == [DeliveredEvents(events=2, repeated=True)]
    assert sent(tmp_path) == [1, 2, 3]


def test_a_key_is_free_again_after_a_broker_that_took_nothing(tmp_path: Path):
    with closing(EventDelivery(place_in(tmp_path, 0.05), 0.05)) as delivery:
        assert delivery.deliver([events(1)]) == [DeliveredEvents(events=1)]
        with locked(tmp_path / "streams.db"):
            plain, keyed = delivery.deliver([events(2), events(3, key="a")])
        assert isinstance(plain, StoreError)
        assert isinstance(keyed, StoreError)
        assert delivery.deliver([events(3, key="a")]) == [DeliveredEvents(events=1)]
    assert sent(tmp_path) == [1, 3]


def test_nothing_is_sent_where_a_key_can_not_be_claimed(tmp_path: Path):
    with closing(EventDelivery(place_in(tmp_path, 0.05), 0.05)) as delivery:
        assert delivery.deliver([events(1, key="a")]) == [DeliveredEvents(events=1)]
        with locked(tmp_path / "on.db"):
            plain, keyed = delivery.deliver([events(2), events(3, key="b")])
        assert plain == DeliveredEvents(events=1)
        assert isinstance(keyed, StoreError)
    assert sent(tmp_path) == [1, 2]


def test_an_event_that_is_too_large_has_its_own_request_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite_writer, "_MOST", 6)
    with closing(EventDelivery(place_in(tmp_path), LIMIT_S)) as delivery:
        asked = [events(1), events(2, 12_345_678), events(3, key="a"), events(87_654_321, key="b")]
        plain, large, keyed, large_keyed = delivery.deliver(asked)
        assert {type(of) for of in (plain, keyed)} == {DeliveredEvents}
        for of in (large, large_keyed):
            assert isinstance(of, MessageTooLargeError)
            assert of.message.startswith("1 message of up to 8 bytes: too large for topic swipes")
        monkeypatch.undo()
    with closing(EventDelivery(place_in(tmp_path), LIMIT_S)) as delivery:
        [again] = delivery.deliver([events(87_654_321, key="b")])
    assert (again, sent(tmp_path)) == (DeliveredEvents(events=1), [1, 2, 3, 87_654_321])
