"""Pushes of many rows to Redis, which go as plain HSETs while a claim holds: what others do meanwhile."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online
from featurectl.online.base import Origin, Writing
from featurectl.online.redis import store as redis_store
from featurectl.online.redis.transactions import WatchedConnection
from tests.online.rows import HOUR, T0, frame, view
from tests.seeds import seeds_from
from tests.servers.redis import redis_server

COUNT = 300
KEYS = [[n] for n in range(COUNT)]
MARK = "uncounted/spend@1"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few rows are many here, and many transactions; a slow machine is no server that is far away."""
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 100)
    monkeypatch.setattr("featurectl.online.redis.plain.MANY_ROWS", 0)
    monkeypatch.setattr("featurectl.online.redis.plain._MOST_CONNECTIONS", 2)
    monkeypatch.setattr("featurectl.online.redis.transactions.ROWS_A_TRANSACTION", 20)


@pytest.fixture(params=["redis_url", "valkey_url"])
def url(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def store(url):
    with closing(open_online(url)) as made:
        yield made


@pytest.fixture
def other(url):
    """The store as another process would open it."""
    with closing(open_online(url)) as made:
        yield made


@pytest.fixture
def sent(monkeypatch):
    """What each transaction of these tests holds, in rows."""
    found: list[int] = []
    send = WatchedConnection.send

    def noted(self, batch):
        found.append(batch.rows)
        send(self, batch)

    monkeypatch.setattr(WatchedConnection, "send", noted)
    return found


def of_ids():
    return view({"n": "int64"}, {"id": "int64"})


def as_of(hours, **how):
    return Writing(origin=Origin(at=T0 + hours * HOUR, table_version=hours, rebuild_id="r"), **how)


def rows(of, hours, keys=KEYS):
    at = T0 + hours * HOUR
    return frame(of, keys, [[hours]] * len(keys), event_time=at, available_at=at, computed_at=at)


def push(store, of, hours, keys=KEYS):
    return store.write_all(of, [rows(of, hours, keys)], as_of(hours))


def values(store, of, keys=KEYS):
    return {row.values["n"] if row else None for row in store.read(of, keys)}


def mark_of(store, of):
    return store.bytes.shared(of, MARK)


@contextmanager
def before_transaction(number, act):
    """Do something once: when the claim was looked at for a transaction of that number, and before it is sent."""
    with pytest.MonkeyPatch.context() as patch:
        left, send = [number], WatchedConnection.send

        def held(self, batch):
            left[0] -= 1
            if left[0] == -1:
                act()
            send(self, batch)

        patch.setattr(WatchedConnection, "send", held)
        yield


def test_many_rows_are_sent_in_transactions_and_counted_at_the_end(store, sent):
    of = of_ids()
    assert (push(store, of, 0), push(store, of, 1)) == (COUNT, 0)
    assert sent == [20] * 30
    assert (values(store, of), store.count(of), mark_of(store, of)) == ({1}, COUNT, None)


def test_a_server_that_is_far_away_gets_more_connections(store, monkeypatch):
    of, used, send = of_ids(), set(), WatchedConnection.send
    monkeypatch.setattr("featurectl.online.redis.plain._MOST_CONNECTIONS", 5)
    monkeypatch.setattr("featurectl.online.redis.plain._TRANSACTION_S", 1e-9)
    monkeypatch.setattr(WatchedConnection, "send", lambda self, batch: used.add(self) or send(self, batch))
    push(store, of, 1)
    assert (len(used), values(store, of), store.count(of)) == (5, {1}, COUNT)


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_push_that_was_stopped_in_the_middle_changes_nothing_newer(store, other, number):
    of = of_ids()
    with before_transaction(number, lambda: push(other, of, 5)):
        push(store, of, 1, [*KEYS, [COUNT]])
    assert (values(store, of), values(store, of, [[COUNT]])) == ({5}, {1})
    assert (store.count(of), mark_of(store, of)) == (COUNT + 1, None)


def test_a_writer_that_leaves_marks_alone_counts_beside_one(store, other, sent):
    """So does a featurectl that knows no marks, and a stream."""
    of = of_ids()
    with before_transaction(3, lambda: other.write(of, rows(of, 5, [[0], [COUNT]]))):
        push(store, of, 1)
    assert 3 < len(sent) < 10
    assert (values(store, of, [[0], [COUNT]]), values(store, of, KEYS[1:])) == ({5}, {1})
    assert (store.count(of), mark_of(store, of)) == (COUNT + 1, None)


def test_what_was_not_counted_is_by_the_next_push_however_that_writes(store, other, monkeypatch):
    for hours in (0, 2):
        of = of_ids()
        with monkeypatch.context() as patch:
            patch.setattr(redis_store, "count_added", killed)
            with pytest.raises(KeyboardInterrupt):
                push(store, of, 1)
        assert store.count(of) == 1  # some, nobody knows how many
        other.write(of, rows(of, 1, [[COUNT]]))
        assert mark_of(store, of) is not None
        push(other, of, hours, KEYS[:5])
        assert (store.count(of), mark_of(store, of)) == (COUNT + 1, None)


def killed(*_):
    raise KeyboardInterrupt


def test_who_is_interrupted_leaves_no_reply_unread(store):
    of = of_ids()
    with before_transaction(5, killed), pytest.raises(KeyboardInterrupt):
        push(store, of, 1)
    assert store.read(of, [[COUNT]]) == [None]
    assert store.count(of) == 1
    push(store, of, 2)
    assert (values(store, of), store.count(of), mark_of(store, of)) == ({2}, COUNT, None)


def test_a_removal_of_others_leaves_the_count_to_who_writes(store, other):
    of = of_ids()
    push(store, of, 0, [[COUNT + n] for n in range(50)])
    kept = rows(of, 0)
    with before_transaction(10, lambda: other.keep_only(of, kept, T0)):
        push(store, of, 1)
    assert (store.count(of), mark_of(store, of)) == (COUNT, None)


def test_a_removal_of_all_removes_the_mark(store, other):
    of = of_ids()
    with before_transaction(10, lambda: other.remove(of)):
        push(store, of, 1)
    store.remove(of)
    assert (store.count(of), mark_of(store, of)) == (0, None)


def test_pushes_of_two_views_at_once_end_each_with_its_rows(url):
    views = [of_ids(), of_ids()]
    views[1] = view({"n": "int64"}, {"id": "int64"}, project=views[0].project, version=2)

    def several(of):
        with closing(open_online(url)) as one:
            return [push(one, of, hours, KEYS[: 100 * (hours + 1)]) for hours in range(3)]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(several, views)) == [[100, 100, 100]] * 2
    with closing(open_online(url)) as one:
        for of in views:
            assert (values(one, of), one.count(of)) == ({2}, COUNT)
            assert one.bytes.shared(of, f"uncounted/spend@{of.version}") is None


def test_a_home_that_changes_all_the_time_is_left_to_the_script(store, other, sent):
    of = of_ids()
    with pytest.MonkeyPatch.context() as patch:
        send = WatchedConnection.send

        def disturbed(self, batch):
            other.bytes.commands.ask("HINCRBY", f"{of.project}/{of.env}", "count/else@1", 1)
            send(self, batch)

        patch.setattr(WatchedConnection, "send", disturbed)
        push(store, of, 1)
    assert len(sent) < 8
    assert (values(store, of), store.count(of), mark_of(store, of)) == ({1}, COUNT, None)


@pytest.mark.parametrize("rights", [[], ["+watch"], ["+watch", "+unwatch", "+multi"]])
def test_without_the_right_to_transactions_the_script_writes(rights, sent):
    of = of_ids()
    with redis_server() as server:
        with server.client() as client:
            commands = ["+@hash", "+@scripting", "+@connection", "+scan", *rights]
            client.acl_setuser("ana", enabled=True, passwords=["+pw"], keys=["*"], commands=commands)
        with closing(open_online(server.url.replace("://", "://ana:pw@"))) as store:
            assert push(store, of, 1) == COUNT
            assert (values(store, of), store.count(of), mark_of(store, of)) == ({1}, COUNT, None)
    assert sent == []


def test_a_limit_of_connections_leaves_rows_to_the_script(redis_url, sent):
    of = of_ids()
    with closing(open_online(f"{redis_url}?max_connections=2")) as store:
        assert (push(store, of, 1), values(store, of), store.count(of)) == (COUNT, {1}, COUNT)
    assert sent == []


def test_a_full_server_says_so_in_the_middle_and_the_next_push_goes_on():
    of = of_ids()
    with redis_server("--maxmemory-policy", "noeviction") as server, closing(open_online(server.url)) as store:
        client = server.client()

        def fill():
            client.config_set("maxmemory", 1_000_000)

        with before_transaction(5, fill), pytest.raises(StoreError, match="maxmemory") as caught:
            push(store, of, 1)
        assert "it is full" in caught.value.hint
        client.config_set("maxmemory", 0)
        push(store, of, 2)
        assert (values(store, of), store.count(of), mark_of(store, of)) == ({2}, COUNT, None)
        client.close()


def drawn_push(store, of, chance, hours):
    """Push a table rebuilt as of some hour, or one that only grew."""
    keys = [[n] for n in chance.sample(range(COUNT), chance.randrange(1, COUNT))]
    how = Writing(origin=Origin(at=T0 + hours * HOUR, table_version=hours, rebuild_id="r"), rebuilt=True)
    store.write_all(of, [rows(of, hours, keys)], how)
    return {key[0]: hours for key in keys}


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "seed", [*seeds_from(0, 2), *(pytest.param(s, marks=pytest.mark.stress) for s in seeds_from(2, 60))]
)
def test_many_pushes_at_once_leave_the_newest_rows_and_their_number(redis_url, seed):
    of = of_ids()

    def several(writer):
        chance, best = random.Random(f"{seed} {writer}"), {}
        with closing(open_online(redis_url)) as one:
            for _ in range(6):
                made = drawn_push(one, of, chance, chance.randrange(1_000))
                best = {n: max(best.get(n, 0), made.get(n, 0)) for n in best | made}
        return best

    with ThreadPoolExecutor(3) as pool:
        bests = list(pool.map(several, range(3)))
    wanted = {n: max(best.get(n, 0) for best in bests) for n in range(COUNT) if any(n in best for best in bests)}
    with closing(open_online(redis_url)) as one:
        one.write_all(of, [], as_of(0))  # may find that others were never done counting
        found = {n: row.values["n"] for n, row in enumerate(one.read(of, KEYS)) if row}
        assert found == wanted
        assert (one.count(of), mark_of(one, of)) == (len(wanted), None)
