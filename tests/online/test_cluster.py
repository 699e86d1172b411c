"""A Redis Cluster whose slots move, whose nodes die, hang and are replaced, under one store that stays open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online
from featurectl.online.base import Ask
from featurectl.online.codec import pack_key
from featurectl.online.corrupt_rows import BrokenCountError
from featurectl.online.redis.slots import slot_of, slot_tags
from tests.online.rows import T0, frame, view
from tests.servers.cluster import started_cluster, started_tls_cluster
from tests.servers.redis import answered

COUNT = 300
AHEAD = 4


@pytest.fixture(scope="module")
def clusters(request):
    """What gives a Cluster to each test that asks for one; the next ones begin meanwhile, which takes seconds."""
    left = sum("cluster" in item.fixturenames for item in request.session.items if item.path == request.path)
    with ExitStack() as stack, ThreadPoolExecutor(AHEAD) as pool:
        yield iter([pool.submit(begin, stack) for _ in range(left)])


def begin(stack):
    """Begin a Cluster; another program may have taken a port that was free a moment ago: then anew."""
    for _ in range(3):
        with suppress(AssertionError):
            return stack.enter_context(started_cluster(3, 1))
    return stack.enter_context(started_cluster(3, 1))


@pytest.fixture
def cluster(clusters, monkeypatch):
    """A Cluster of this test alone, of which the first node has a replica."""
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 2.0)
    return next(clusters).result()


@pytest.fixture
def of():
    return view({"n": "int64"}, {"id": "int64"})


def rows_of(of, first: int = 0, end: int = COUNT):
    return frame(of, [[n] for n in range(first, end)], [[n] for n in range(first, end)])


def values(store, of, count: int = COUNT) -> list[object]:
    found = store.fetch([ask(of, count)])[0]
    assert store.read(of, [[0]])[0] is not None
    return [row[0] is not None for row in found]


def ask(of, count: int = COUNT) -> Ask:
    keys = [pack_key([n], ["int64"]) for n in range(count)]
    return Ask(project=of.project, env=of.env, fields=("spend@1",), keys=keys)


def slot_with_an_entity(of, number: int) -> int:
    return slot_of(f"{of.project}/{of.env}:{{".encode() + pack_key([number], ["int64"]) + b"}")


def move(cluster, slot: int, *, to: int, finish: bool, keys: int | None = None) -> None:
    """Move a slot to a node with all keys or some; unfinished, the slot is still its old node's."""
    source, target = cluster.node_of(slot), cluster.nodes[to]
    with source.client() as old, target.client() as new:
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.id_of(source))
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.id_of(target))
        some = old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, keys or 1_000)
        if some:
            old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *some)
        for client in [new, old] if finish else []:
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", cluster.id_of(target))


def test_look_ups_of_one_call_go_once_to_the_nodes_that_serve_them(redis_cluster, of):
    with closing(open_online(redis_cluster.url)) as store:
        store.write(of, rows_of(of))
        before = [node.commands("hmget") for node in redis_cluster.nodes]
        assert all(values(store, of))
        asked = [node.commands("hmget") - past for node, past in zip(redis_cluster.nodes, before, strict=True)]
    assert sum(asked) == COUNT  # none was sent twice
    assert min(asked) > COUNT // 6


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("finish", [True, False], ids=["moved", "moving"])
def test_a_slot_on_its_way_to_another_node_is_read_and_written(cluster, of, finish):
    slot = slot_with_an_entity(of, 7)
    with closing(open_online(cluster.url)) as store:
        store.write(of, rows_of(of))
        move(cluster, slot, to=(cluster.nodes.index(cluster.node_of(slot)) + 1) % 3, finish=finish)
        assert all(values(store, of))
        later = frame(of, [[7], [8], [COUNT]], [[70], [80], [1]], computed_at=T0.replace(year=2027))
        assert store.write(of, later) == 1
        assert [row.values["n"] for row in store.read(of, [[7], [8], [COUNT]])] == [70, 80, 1]
        assert store.count(of) == COUNT + 1
        assert all(values(store, of))


@pytest.mark.long
def test_a_script_waits_for_a_slot_whose_keys_lie_in_two_places(cluster, of, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.cluster.ANSWER_S", 60.0)
    slot = slot_with_an_entity(of, 7)
    source, to = cluster.node_of(slot), (cluster.nodes.index(cluster.node_of(slot)) + 1) % 3
    with closing(open_online(cluster.url)) as store, ThreadPoolExecutor(1) as pool, source.client() as client:
        store.write(of, rows_of(of, 7, 8))
        move(cluster, slot, to=to, keys=1, finish=False)  # its row or its count, not both
        task = pool.submit(store.write, of, frame(of, [[7]], [[70]], computed_at=T0.replace(year=2027)))
        while not task.done() and sum(node.errors("TRYAGAIN") for node in cluster.nodes) == 0:
            client.ping()
        move(cluster, slot, to=to, finish=True)
        assert (task.result(), store.count(of)) == (0, 1)
        assert store.read(of, [[7]])[0].values == {"n": 70}
        assert sum(node.errors("TRYAGAIN") for node in cluster.nodes) > 0


def test_a_replica_that_takes_over_is_read_and_written(cluster, of):
    with closing(open_online(cluster.url)) as store:
        store.write(of, rows_of(of))
        cluster.nodes[0].kill()
        with cluster.replicas[0].client() as client:
            client.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
        assert all(values(store, of))
        assert store.write(of, rows_of(of, COUNT, 2 * COUNT)) == COUNT  # the new node does not know the script
        assert (all(values(store, of, 2 * COUNT)), store.count(of)) == (True, 2 * COUNT)


def test_a_failover_that_was_asked_for_is_followed(cluster, of):
    with closing(open_online(cluster.url)) as store:
        store.write(of, rows_of(of))
        with cluster.replicas[0].client() as client:
            client.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
        assert store.write(of, rows_of(of, COUNT, 2 * COUNT)) == COUNT
        assert (all(values(store, of, 2 * COUNT)), store.count(of)) == (True, 2 * COUNT)


@pytest.mark.long
def test_while_a_node_is_away_its_entities_are_an_error_and_then_as_before(cluster, of):
    node = cluster.nodes[2]
    with closing(open_online(cluster.url)) as store:
        store.write(of, rows_of(of))
        node.kill()
        for call in (lambda: store.fetch([ask(of)]), lambda: store.write(of, rows_of(of)), lambda: store.remove(of)):
            with pytest.raises(StoreError) as caught:
                call()
            assert caught.value.code == "FC602"
        node.start()
        cluster.wait_until_whole()
        store.write(of, rows_of(of))
        assert (all(values(store, of)), store.count(of)) == (True, COUNT)


def test_a_hanging_node_is_an_error_in_time_and_others_entities_are_read(cluster, of, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 0.2)
    here = [n for n in range(COUNT) if cluster.node_of(slot_with_an_entity(of, n)) is cluster.nodes[1]]
    there = [n for n in range(COUNT) if cluster.node_of(slot_with_an_entity(of, n)) is cluster.nodes[2]]
    with closing(open_online(cluster.url)) as store:
        answered(lambda: store.write(of, rows_of(of)))
        assert all(answered(lambda: values(store, of)))
        with cluster.nodes[2].paused():
            with pytest.raises(StoreError, match="can't be reached"):
                store.read(of, [[there[0]], [here[0]]])
            assert answered(lambda: store.read(of, [[n] for n in here]))[0] is not None
        assert all(answered(lambda: values(store, of)))


def test_a_first_node_that_is_away_is_no_loss(cluster, of):
    with closing(open_online(cluster.url)) as store:
        store.write(of, rows_of(of))
    cluster.nodes[0].kill()
    with cluster.replicas[0].client() as client:
        client.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
    with closing(open_online(cluster.url)) as store:
        assert all(values(store, of))


def test_entities_are_counted_right_after_a_writer_that_died_on_the_way(redis_cluster, of, monkeypatch):
    with closing(open_online(redis_cluster.url)) as store, closing(open_online(redis_cluster.url)) as other:
        store.write(of, rows_of(of, 0, 10))
        assert store.count(of) == 10
        with monkeypatch.context() as patch:
            patch.setattr(store.bytes, "_mark_change", lambda _of: None)  # neither before nor after: the worst case
            store.write(of, rows_of(of, 10, 20))
        assert other.write(of, rows_of(of)) == COUNT - 20
        assert (store.count(of), other.count(of)) == (COUNT, COUNT)
        before = redis_cluster.commands("hget")
        assert store.count(of) == COUNT
        assert redis_cluster.commands("hget") == before  # it is not added up again


def test_nothing_is_left_of_a_version_that_is_removed(redis_cluster, of):
    with closing(open_online(redis_cluster.url)) as store:
        store.write(of, rows_of(of))
        assert store.count(of) == COUNT
        store.remove(of)
        assert store.count(of) == 0
    for node in redis_cluster.nodes:
        with node.client() as client:
            assert list(client.scan_iter(match=f"{of.project}*")) == []


@pytest.mark.long
def test_a_cluster_is_known_by_the_addresses_it_announces_and_speaks_tls(certificates, of):
    with started_tls_cluster(certificates) as url, closing(open_online(url)) as store:
        assert store.write(of, rows_of(of)) == COUNT
        assert (all(values(store, of)), store.count(of)) == (True, COUNT)
        store.remove(of)
        assert store.count(of) == 0


@pytest.mark.long
def test_a_cluster_that_is_full_says_so_and_keeps_answering_reads(of):
    wide = view({"s": "string"}, {"id": "int64"}, project=of.project)
    with (
        started_cluster(3, 0, "--maxmemory", "4mb", "--maxmemory-policy", "noeviction") as cluster,
        closing(open_online(cluster.url)) as store,
    ):
        rows = frame(wide, [[i] for i in range(30_000)], [["x" * 500]] * 30_000)
        with pytest.raises(StoreError, match="maxmemory") as caught:
            store.write(wide, rows)
        assert (caught.value.code, "xxx" in str(caught.value)) == ("FC602", False)
        assert store.read(wide, [[30_001]]) == [None]


@pytest.mark.long
def test_a_wrong_type_at_one_entity_is_a_broken_row_of_it(redis_cluster, of):
    key = f"{of.project}/{of.env}:{{i1:1}}"
    with closing(open_online(redis_cluster.url)) as store:
        store.write(of, rows_of(of, 2, 9))
        node = redis_cluster.node_of(slot_of(key.encode()))
        with node.client() as client:
            client.set(key, "no hash")
        with pytest.raises(StoreError, match="spend@1 id=1: another program has written"):
            store.read(of, [[1], [2]])
        assert store.read(of, [[2]])[0] is not None


@pytest.mark.long
def test_a_broken_counter_of_a_slot_is_told_and_counted_again(redis_cluster, of):
    slot = slot_with_an_entity(of, 0)
    with closing(open_online(redis_cluster.url)) as store:
        store.write(of, rows_of(of, end=20))
        store.bytes.commands.ask(
            "HSET", f"{of.project}/{of.env}/count:{{{slot_tags()[slot].decode()}}}", "spend@1", "theirs"
        )  # injures a store as no caller can
        store.bytes._mark_change(of)  # noqa: SLF001  # injures a store as no caller can
        for use in (lambda: store.count(of), lambda: store.keep_only(of, rows_of(of, end=20), T0)):
            with pytest.raises(BrokenCountError):
                use()
        store.reset_broken_count(of)
        store.keep_only(of, rows_of(of, end=20), T0)
        assert store.count(of) == 20
        store.remove(of)
        assert store.count(of) == 0


@pytest.mark.long
def test_a_cluster_without_some_of_its_slots_says_so(of):
    with started_cluster() as cluster, closing(open_online(cluster.url)) as store:
        store.write(of, rows_of(of))
        slot = slot_with_an_entity(of, 7)
        with cluster.node_of(slot).client() as client:
            client.execute_command("CLUSTER", "DELSLOTS", slot)
        with pytest.raises(StoreError, match="is down"):
            store.read(of, [[7]])
