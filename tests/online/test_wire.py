"""What happens to rows on their way into Redis."""

from __future__ import annotations

import pytest
import redis

from featurectl.core.errors import DataError, StoreError
from featurectl.online.base import Origin, Writing
from featurectl.online.redis.store import RedisStore
from tests.online.rows import T0, frame, view
from tests.servers.redis import started_redis

COUNT = 1_000
ORIGIN = Origin(at=T0, table_version=0, rebuild_id="r")


@pytest.fixture(params=["compared", "claimed"])
def how(request, monkeypatch):
    """Ways to write, in chunks of 100 rows: compared with what is there, or not."""
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 100)
    return Writing(origin=None if request.param == "compared" else ORIGIN)


def rows_of(of, first=0):
    return frame(of, [[first + i] for i in range(COUNT)], [[i] for i in range(COUNT)])


def test_a_key_of_another_type_is_named_when_all_others_are_written(redis_url, how):
    store, of = RedisStore(redis_url), view({"n": "int64"}, {"id": "int64"})
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"{of.project}/dev:{{i3:250}}", "secret")
    with pytest.raises(StoreError, match="spend@1 id=250: another program") as caught:
        store.write_all(of, [rows_of(of, 200)] * 5, how)
    assert "secret" not in str(caught.value)
    assert None not in store.read(of, [[200], [251], [199 + COUNT]])
    assert store.count(of) == COUNT - 1
    store.close()


def test_a_server_that_ends_in_the_middle_is_told(how):
    with started_redis() as url:
        store, of = RedisStore(url), view({"n": "int64"}, {"id": "int64"})

        def frames():
            for number in range(1_000):
                if number == 5:
                    with redis.Redis.from_url(url) as client:
                        client.shutdown(nosave=True)
                yield rows_of(of, number * COUNT)

        with pytest.raises(StoreError, match="can't be reached"):
            store.write_all(of, frames(), how)
        store.close()


def test_an_impossible_frame_stops_its_write_and_the_store_goes_on(redis_url, how):
    store, of = RedisStore(redis_url), view({"n": "int64"}, {"id": "int64"})

    def frames():
        yield rows_of(of)
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        store.write_all(of, frames(), how)
    assert store.count(of) <= COUNT
    assert store.write(of, rows_of(of)) + store.count(of) >= COUNT
    assert store.count(of) == COUNT
    store.close()


def test_it_is_told_how_many_rows_are_there_until_all_are(redis_url, how):
    store, of = RedisStore(redis_url), view({"n": "int64"}, {"id": "int64"})
    told: list[int] = []
    every = [rows_of(of, number * COUNT) for number in range(3)]
    assert store.write_all(of, iter(every), Writing(origin=how.origin, on_rows=told.append)) == 3 * COUNT
    assert told == sorted(told)
    assert told[-1] == 3 * COUNT
    assert store.count(of) == 3 * COUNT
    store.close()
