"""The state of streams on a Redis Cluster: marks of each master, masters that fail over, slots that move."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_stream_state
from featurectl.online.redis.slots import slot_of
from featurectl.online.stream_state.base import (
    ConnectionLostError,
    Generation,
    GenerationCut,
    KnownStamps,
    ListAppend,
    ListsAsk,
    ListSeed,
)
from tests.servers.cluster import started_cluster
from tests.servers.redis import START_LIMIT_S

GENERATION = Generation(view="spend@1", id="a1")
KEYS = [b"i2:%02d" % number for number in range(30)]  # on all masters
ASK = ListsAsk(view="spend@1", entities=KEYS)


@pytest.fixture
def state(redis_cluster):
    with closing(open_stream_state(redis_cluster.url)) as made:
        yield made


@pytest.fixture
def connection(state, source):
    with closing(begun(state, source)) as made:
        yield made


def begun(state, source):
    """Return a connection to a source with one partition and a generation that is read."""
    made = state.connect(source)
    made.register.add_partition("p")
    cuts = made.generations.add(GENERATION).cuts
    assert made.lists.make_ready(GENERATION, made.lists.seed(GENERATION, []), cuts)
    assert made.generations.switch(GENERATION)
    return made


def apply(connection, first: int, end: int) -> None:
    """Take a batch from its claim to its end."""
    claim = connection.register.claim(0, first, end, KnownStamps())
    elements = [b"\x01%d" % first] * len(KEYS)
    connection.lists.append([ListAppend(generation=GENERATION, entities=KEYS, elements=elements)])
    assert connection.lists.mark(0, first, end, claim.generations)
    assert connection.register.finish(0, first, end, [GENERATION])


def keys_without_answer(state, source):
    [answer] = state.read(source, [ASK])
    return {key for key, found in zip(KEYS, answer.lists, strict=True) if found is None}


def keys_on(cluster, node: int) -> set[bytes]:
    return {key for key in KEYS if cluster.node_of(slot_of(key)) is cluster.nodes[node]}


def mark_keys(client, source) -> list[bytes]:
    return list(client.scan_iter(f"{source.project}/dev/m:*"))


def test_every_master_has_marks_which_refuse_a_gap(connection):
    apply(connection, 0, 3)
    assert {*connection.lists.marks(0)} == {3}
    cut = [GenerationCut(generation=GENERATION, cut=0)]
    assert not connection.lists.mark(0, 4, 5, cut)
    assert connection.lists.mark(0, 1, 2, cut)
    assert connection.lists.marks(0) == [3] * 16
    other = Generation(view="other@1", id="b2")
    assert connection.generations.add(other).cuts == {0: 3}
    assert connection.lists.marks(0) == [3] * 32
    assert connection.lists.mark(0, 3, 9, [GenerationCut(generation=other, cut=3)])
    assert sorted(connection.lists.marks(0)) == [3] * 16 + [9] * 16


def test_a_master_that_lost_its_marks_answers_nothing_and_keeps_its_lists(state, source, connection, redis_cluster):
    apply(connection, 0, 3)
    assert keys_without_answer(state, source) == set()
    found = state.read(source, [ASK])[0].lists[0]
    assert (found.marks, [*found.elements]) == ({0: 3}, [b"\x010"])
    with redis_cluster.nodes[1].client() as client:
        *_, key = mark_keys(client, source)
        client.hdel(key, f"mark/0/{GENERATION.name}")
    lost = keys_on(redis_cluster, 1)
    assert keys_without_answer(state, source) == lost != set()
    _, [lists] = connection.lists.read([ASK])
    assert {key for key, found in zip(KEYS, lists, strict=True) if found is None} == lost
    assert sorted(connection.lists.marks(0)) == [0] + [3] * 15
    assert connection.lists.unready() == []
    apply(connection, 0, 3)  # replay from the least mark
    assert keys_without_answer(state, source) == set()


def test_a_master_that_lost_all_is_not_ready_and_asks_for_a_rebuild(state, source, connection, redis_cluster):
    apply(connection, 0, 3)
    with redis_cluster.nodes[2].client() as client:
        for key in mark_keys(client, source):
            client.delete(key)
    assert connection.lists.unready() == [GENERATION]
    assert keys_without_answer(state, source) == keys_on(redis_cluster, 2)


def test_heads_are_counted_on_each_master(state, source, connection, redis_cluster):
    later = Generation(view="spend@1", id="b2")
    cuts = connection.generations.add(later).cuts
    seeded = connection.lists.seed(later, [ListSeed(entity=key, head=b"\x80") for key in KEYS])
    assert sorted(seeded.values()) == sorted(len(keys_on(redis_cluster, node)) for node in range(3))
    with redis_cluster.nodes[0].client() as client:
        client.hincrby(mark_keys(client, source)[0], f"heads/{later.name}", -1)
    assert not connection.lists.make_ready(later, seeded, cuts)
    connection.generations.drop(later)
    state.drop_lists(source, later)
    for node in redis_cluster.nodes:
        with node.client() as client:
            for key in mark_keys(client, source):
                assert [field for field in client.hkeys(key) if b"b2" in field] == []


def test_a_master_that_hangs_is_an_error_in_time_and_lost_for_all(state, source, redis_cluster, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 1.5)
    with closing(begun(state, source)) as connection:
        with redis_cluster.nodes[1].paused(), pytest.raises(ConnectionLostError, match="begins anew"):
            connection.check()
        with pytest.raises(ConnectionLostError):  # replies of the other masters may be due
            connection.register.claim(0, 0, 2, KnownStamps())
    with closing(state.connect(source)) as again:
        apply(again, 0, 3)


def test_a_node_of_a_cluster_is_none_by_the_url_of_one_server(redis_cluster, source):
    with (
        closing(open_stream_state(redis_cluster.nodes[0].url)) as state,
        pytest.raises(StoreError, match="is a node of a Redis Cluster") as caught,
    ):
        state.connect(source)
    assert not isinstance(caught.value, ConnectionLostError)
    assert "redis+cluster://" in caught.value.hint


@pytest.mark.long
def test_a_replica_that_takes_over_is_a_connection_lost(source, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 4.0)
    with (
        started_cluster(3, 3, "--cluster-node-timeout", "2500") as cluster,
        closing(open_stream_state(cluster.url)) as state,
        closing(begun(state, source)) as connection,
    ):
        apply(connection, 0, 3)
        cluster.wait_for_replica(1)
        cluster.nodes[1].kill()
        with pytest.raises(ConnectionLostError, match="begins anew"):
            connection.check()
        with pytest.raises(ConnectionLostError):
            connection.register.claim(0, 3, 4, KnownStamps())
        cluster.wait_for_takeover(1)
        limit = time.monotonic() + START_LIMIT_S
        while True:
            try:
                again = state.connect(source)
                break
            except StoreError:
                assert time.monotonic() < limit
                time.sleep(0.1)
        with closing(again):
            assert {*again.lists.marks(0)} == {3}
            apply(again, 3, 4)
            assert keys_without_answer(state, source) == set()


@pytest.mark.long
def test_a_slot_that_moves_is_a_connection_lost(source):
    with (
        started_cluster(3) as cluster,
        closing(open_stream_state(cluster.url)) as state,
        closing(begun(state, source)) as connection,
    ):
        apply(connection, 0, 3)
        key = next(key for key in KEYS if cluster.node_of(slot_of(key)) is cluster.nodes[0])
        move(cluster, slot_of(key), 0, 2)
        with pytest.raises(ConnectionLostError, match="begins anew"):
            apply(connection, 3, 4)
        assert keys_without_answer(state, source) == set()
        with closing(state.connect(source)) as again:
            apply(again, 3, 4)
            [answer] = state.read(source, [ListsAsk(view="spend@1", entities=[key])])
            assert [*answer.lists[0].elements][-1] == b"\x013"
            assert keys_without_answer(state, source) == set()


def move(cluster, slot: int, first: int, second: int) -> None:
    """Move a slot with its keys from one node to another."""
    there, here = cluster.nodes[first], cluster.nodes[second]
    with there.client() as old, here.client() as new:
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.id_of(there))
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.id_of(here))
        for key in old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            old.execute_command("MIGRATE", "127.0.0.1", here.port, key, 0, 5_000)
        for node in cluster.nodes:
            with node.client() as client:
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", cluster.id_of(here))
