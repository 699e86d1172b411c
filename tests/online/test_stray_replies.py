"""A proxy adds replies, drops them or hangs up: an answer is the right one or an error, and never another entity's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import polars as pl
import pytest

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online
from featurectl.online.base import OnlineStore, OnlineView, Origin, Writing
from featurectl.online.redis.request_keys import RedisRequestKeys
from featurectl.online.request_keys import request_key
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from tests.online.async_reading import BUDGET_S, ask, filled, last, reader_of
from tests.online.rows import T0, frame, view
from tests.servers.cluster import started_cluster
from tests.servers.meddling import FAULTS, HARMLESS, STRAY, MeddlingProxy, meddling_proxy
from tests.servers.redis import free_port, redis_server

ENTITIES, READS = 100, 120
PACKAGE = Path(__file__).parents[2] / "featurectl"
ANSWER_S = 0.3
BURST = 4  # requests at once


class Meddled:
    """A store, its URL through proxies, and these."""

    def __init__(self, direct: str, url: str, proxies: list[MeddlingProxy]) -> None:
        self.direct, self.url = direct, url
        self._proxies = proxies

    def meddle(self, fault: str, share: float = 0.02) -> None:
        for proxy in self._proxies:
            proxy.fault, proxy.share = fault, share

    @property
    def faults(self) -> int:
        return sum(proxy.done for proxy in self._proxies)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", ANSWER_S)
    monkeypatch.setattr("featurectl.online.redis.cluster.ANSWER_S", ANSWER_S)


@pytest.fixture(scope="module")
def single() -> Iterator[Meddled]:
    with redis_server() as server, meddling_proxy(server.port) as proxy:
        yield Meddled(server.url, proxy.url, [proxy])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Meddled]:
    """A Cluster whose nodes are known by the ports of proxies."""
    with started_cluster() as made, ExitStack() as stack:
        proxies = []
        for node in made.nodes:
            port = free_port()
            proxies.append(stack.enter_context(meddling_proxy(node.port, port)))
            with node.client() as client:
                client.config_set("cluster-announce-port", port)
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies) + "/"
        yield Meddled(url, url, proxies)


@pytest.fixture(params=["single", pytest.param("cluster", marks=pytest.mark.long)])
def store(request: pytest.FixtureRequest) -> Iterator[Meddled]:
    made: Meddled = request.getfixturevalue(request.param)
    yield made
    made.meddle("")


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def judge(store: Meddled, fault: str, read: Callable[[], bool], reads: int = READS) -> None:
    """See that what is read is right, or an error, as long as a proxy meddles, and right as soon as it does not."""
    store.meddle(fault)
    before, errors = store.faults, list[str]()
    for number in range(reads):
        try:
            assert read(), number
        except StoreError as error:
            errors.append(error.code)
        if len(errors) >= 4 and store.faults - before >= 8:  # each may take the time of an answer that never comes
            break
    assert store.faults > before
    assert not errors or fault not in HARMLESS
    assert len(errors) < reads
    assert {*errors} <= {"FC602"}
    store.meddle("")
    answered(read)
    assert all(read() for _ in range(5))


def answered(read: Callable[[], bool], tries: int = 3) -> None:
    """Let what was on its way when the proxy stopped be over."""
    for _ in range(tries):
        try:
            assert read()
        except StoreError:
            continue
        return
    raise AssertionError("the store is not read again")


def test_a_store_reads_the_row_of_no_other_entity(store: Meddled, fault: str):
    store.meddle("")
    of, random = filled(store.direct, ENTITIES), Random(1)
    with closing(open_online(store.url)) as opened:

        def read() -> bool:
            chosen = random.sample(range(ENTITIES), random.choice([1, 3, 40]))
            rows = opened.read(of, [[n] for n in chosen])
            return [row and row.values["n"] for row in rows] == chosen

        judge(store, fault, read)


def test_requests_of_an_event_loop_get_no_answers_of_each_other(store: Meddled, fault: str):
    store.meddle("")
    of, random = filled(store.direct, ENTITIES), Random(2)

    async def judged() -> None:
        async with reader_of(store.url, ANSWER_S if fault == "dropped" else BUDGET_S) as reader:

            async def fetch(numbers: list[int]) -> int:
                try:
                    [rows] = await reader.fetch([ask(of, *numbers)])
                except StoreError:
                    return 0
                assert [last(row) for [row] in rows] == numbers
                return 1

            async def burst() -> int:
                some = [random.sample(range(ENTITIES), random.choice([1, 2, 30])) for _ in range(BURST)]
                return sum(await asyncio.gather(*map(fetch, some)))

            store.meddle(fault)
            before, right = store.faults, [await burst()]
            while len(right) < 40 and not (fault == "dropped" and store.faults - before > 5):
                right.append(await burst())
            assert store.faults > before
            assert {*right} != {0} or fault == "dropped"  # by chance all bursts may lack a reply
            assert {*right} == {BURST} or fault not in HARMLESS
            store.meddle("")
            for _ in range(3):  # what was on its way
                await burst()
            assert await burst() == BURST

    asyncio.run(judged())


def test_a_push_brings_the_rows_of_its_own_or_fails(store: Meddled, fault: str, monkeypatch: pytest.MonkeyPatch):
    """What has failed is pushed again; the rows of all entities are right then, and so is their number."""
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 60)
    monkeypatch.setattr("featurectl.online.redis.wire.ROWS_A_CALL", 5)
    store.meddle("")
    of, random = view({"n": "int64"}, {"id": "int64"}), Random(3)
    failed, before = 0, store.faults
    with closing(open_online(store.url)) as opened:
        for turn in range(6):
            rows = frame(of, [[n] for n in range(ENTITIES)], [[n + turn] for n in range(ENTITIES)])
            how = Writing(origin=Origin(at=T0, table_version=turn, rebuild_id="r"))
            store.meddle(fault, share=random.choice([0.01, 0.05]))
            try:
                opened.write_all(of, [rows] * 2, how)
            except StoreError:
                failed += 1
                store.meddle("")
                answered(partial(pushed, opened, of, rows))
            store.meddle("")
            answered(partial(has_values, opened, of, turn))
            assert opened.count(of) == ENTITIES
    assert store.faults > before
    assert failed == 0 or fault not in HARMLESS


def pushed(opened: OnlineStore, of: OnlineView, rows: pl.DataFrame) -> bool:
    return opened.write(of, rows) >= 0


def has_values(opened: OnlineStore, of: OnlineView, turn: int) -> bool:
    rows = opened.read(of, [[n] for n in range(ENTITIES)])
    return [row and row.values["n"] for row in rows] == [n + turn for n in range(ENTITIES)]


def test_messages_that_are_acknowledged_are_in_the_topic_in_order(store: Meddled, fault: str):
    """A request that may have been carried out is not sent again by itself: of those that fail the sender decides."""
    store.meddle("")
    topic, random = f"t{datetime.now(UTC).timestamp():.0f}{fault}", Random(4)
    with closing(open_topics(store.direct)) as broker:
        broker.create(topic, 1)
        sent = send(store, fault, topic, random)
        with closing(broker.open_reader(topic)) as reader:
            reader.seek(0, 0)
            found = [value for _ in range(10) for batch in reader.take(LIMITS).batches for value in batch.values]
    known = iter(found)
    assert all(value in known for value in sent)  # in their order
    if fault in (*HARMLESS, *STRAY):
        assert len(found) == len({*found})  # none is there twice


LIMITS = TakeLimits(messages=1_000, timeout_s=0.02)


def send(store: Meddled, fault: str, topic: str, random: Random) -> list[bytes]:
    """Send messages, each of its own text, and return those that were acknowledged."""
    sent: list[bytes] = []
    with (
        closing(open_topics(f"{store.url}?socket_timeout={ANSWER_S}")) as broker,
        closing(broker.open_writer(topic)) as writer,
    ):
        store.meddle(fault, share=0.02)
        for number in range(40):
            some = [b"%d-%d" % (number, i) for i in range(random.randrange(1, 6))]
            try:
                before = writer.acknowledged
                writer.send([(b"k", value) for value in some])
                taken = writer.flush() - before
            except StoreError:
                continue
            assert taken == len(some)
            sent += some
        store.meddle("")
    assert sent
    return sent


def test_the_claim_of_a_request_is_known_again(single: Meddled):
    source = StreamSource(project="p", env="dev", source="s")
    with closing(RedisRequestKeys(single.url, "x", ANSWER_S)) as keys:
        single.meddle("surplus", share=0.05)
        before, known = single.faults, 0
        for number in range(60):
            key = request_key(f"n{number}", b"body")
            try:
                [claim] = keys.claim(source, [key])
                keys.settle(source, [key], [number])
                [again] = keys.claim(source, [key])
            except StoreError:
                continue
            assert (claim.status, again.status, again.events) == ("new", "done", number)
            known += 1
        single.meddle("")
    assert known
    assert single.faults > before


def test_one_module_alone_sends_to_connections_and_reads_from_them():
    names = ("read_response", "send_packed_command", "send_command(", "execute_command", "_parser", "_reader.gets")
    found = {
        (str(path.relative_to(PACKAGE)), name)
        for path in [*PACKAGE.glob("online/redis/*.py"), *PACKAGE.glob("streaming/topics/redis/*.py")]
        for name in names
        if name in path.read_text()
    }
    module = "online/redis/checked.py"
    assert found == {(module, "read_response"), (module, "send_packed_command")}
