"""A key of an entity that another program has written, as another type: its rows are broken, all others go on."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import timedelta

import pytest
import redis
import redis.cluster

from featurectl.online.all_stores import open_async_reader, open_online
from featurectl.online.base import Ask, Writing
from featurectl.online.client.feature_columns import KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_steps import read_columns_async
from featurectl.online.client.read_view import ReadView
from featurectl.online.corrupt_rows import NO_ROW, BrokenRowError
from featurectl.online.redis.keys import prefix_of
from featurectl.online.row_places import online_view
from tests.online.compared import every_input
from tests.online.rows import HOUR, T0, frame
from tests.online.views import latest, state_view

PROFILE = state_view([latest("amount", "int64"), latest("city", "string")])
OF = online_view(PROFILE, 1, "foreign", "dev")
PLACE = f"profile@1 customer=c7: {NO_ROW}"
KEYS = [[f"c{n}"] for n in range(300)]
LATER = T0 + HOUR + timedelta(minutes=1)


def rows(amount):
    return frame(OF, KEYS, [[amount, "Oslo"]] * len(KEYS), computed_at=T0 if amount == 1 else LATER)


@pytest.fixture(params=["redis_url", "valkey_url", "redis_cluster_url"])
def url(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def store(url):
    """A store with 300 rows, of which the key of c7 is a list by now."""
    with closing(open_online(url)) as made:
        made.write(OF, rows(1))
        with closing(client_of(url)) as client:
            client.delete(prefix_of(OF) + b"s2:c7}")
            client.lpush(prefix_of(OF) + b"s2:c7}", "theirs")
        yield made
        with closing(client_of(url)) as client:
            client.delete(prefix_of(OF) + b"s2:c7}")
        made.remove(OF)


def client_of(url):
    if url.startswith("redis+cluster"):
        return redis.cluster.RedisCluster.from_url(url.replace("redis+cluster", "redis").split(",")[0])
    return redis.Redis.from_url(url)


def test_whoever_reads_such_an_entity_is_told_and_the_others_are_read(store, url):
    assert [row.values["amount"] for row in store.read(OF, [["c6"], ["c8"]])] == [1, 1]
    with pytest.raises(BrokenRowError, match=PLACE):
        store.read(OF, [["c6"], ["c7"]])
    ask = Ask(project=OF.project, env=OF.env, fields=["profile@1"], keys=[b"s2:c6", b"s2:c7"])
    ((good,), (bad,)) = store.fetch([ask])[0]
    assert (len(good) > 16, bad) == (True, b"")
    assert (store.count_rows(OF), store.count(OF)) == (299, 300)
    walked = dict(pair for page in store.walk(OF) for pair in page)
    assert (len(walked), walked[b"s2:c7"]) == (300, b"")

    async def columns(customers):
        reader = FeatureReader(every_input(PROFILE), {PROFILE.name: ReadView(view=PROFILE, online=OF)})
        asked = KeyRows(keys={"customer": customers}, count=len(customers), now=T0 + HOUR)
        one = open_async_reader(url, "there", 20)
        try:
            return await read_columns_async(one, reader, Pushes(), asked)
        finally:
            await one.close()

    assert asyncio.run(columns(["c6", "c8"])).columns["amount"].values == [1, 1]
    for customers in (["c7"], ["c6", "c7", "c8"]):
        with pytest.raises(BrokenRowError, match=PLACE):
            asyncio.run(columns(customers))


def test_a_push_writes_all_but_a_foreign_key_and_a_full_one_replaces_it(store):
    with pytest.raises(BrokenRowError, match=PLACE) as caught:
        store.write(OF, rows(2), rebuilt=True)
    assert "featurectl push --full profile" in caught.value.hint
    others = [key for key in KEYS if key != ["c7"]]
    assert {row.values["amount"] for row in store.read(OF, others)} == {2}
    store.keep_only(OF, rows(2).select("customer"), T0)
    assert store.count(OF) == 299
    full = Writing(rebuilt=True, none_after=lambda: LATER + HOUR)
    store.write_all(OF, [rows(3)], full)
    assert [row.values["amount"] for row in store.read(OF, [["c7"], ["c8"]])] == [3, 3]
    assert (store.count_rows(OF), store.count(OF)) == (300, 300)


def test_a_removal_leaves_it_alone(store, url):
    store.remove(OF)
    with closing(client_of(url)) as client:
        assert client.lrange(prefix_of(OF) + b"s2:c7}", 0, -1) == [b"theirs"]
    assert store.count(OF) == 0
