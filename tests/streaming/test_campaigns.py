"""What befalls brokers, stores and clocks while workers run loses nothing, and doubles nothing; answers are true."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis

from featurectl.core.errors import StoreError
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.redis.keys import stream_key
from tests.online.stream_state.losses import PostgresLosses, SqliteLosses
from tests.servers.postgres import own_postgres, two_hosts
from tests.servers.redis import RedisServer, redis_server
from tests.streaming.conveyor import SECOND
from tests.streaming.test_killed_workers import PARTITIONS, Campaign
from tests.streaming.worker_program import HOST_CLOCK, STORE_CLOCK

FIVE_MINUTES = 300 * SECOND


@dataclass(kw_only=True)
class Troubled(Campaign):
    """A campaign in which something befalls what workers use; now and then a worker is killed as well."""

    befall: Callable[[Troubled], None]
    servers: Sequence[RedisServer] = ()
    clocks: Mapping[str, Path] = field(default_factory=dict)
    troubles: int = 0
    others: int = 0  # messages that other senders have acknowledged
    refused: int = 0  # turns in which the broker or the store did not answer
    ways: tuple[Any, ...] = ()  # how it sends and reads

    def environment(self, own: Sequence[int]) -> Mapping[str, str]:
        name = f"host{self.own.index(tuple(own))}" if tuple(own) in self.own else "host2"
        variables = {HOST_CLOCK: self.clocks.get(name), STORE_CLOCK: self.clocks.get("store")}
        return {variable: str(path) for variable, path in variables.items() if path is not None}

    def go_on(self, seconds: float) -> None:
        """Send and read while something is as it should not be."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._turn(*self.ways)

    def _kill_after(self, writer, state, seconds: float) -> None:
        self.ways = writer, state
        self.go_on(seconds)
        if self.random.random() < 0.2:
            super()._kill_after(writer, state, 0.0)
            self.kills -= 1
        self.befall(self)
        self.kills += 1

    def _turn(self, writer, state) -> None:
        try:
            super()._turn(writer, state)
        except StoreError:
            self.refused += 1
            time.sleep(0.02)

    def judge(self) -> tuple[int, int]:
        acknowledged, self.sent = self.sent + self.others, self.in_topic()
        assert acknowledged <= self.sent
        return super().judge()

    def in_topic(self) -> int:
        """How many messages the topic has."""
        if self.broker_url.startswith("redis"):
            with closing(redis.Redis.from_url(self.broker_url)) as client:
                return sum(client.xlen(stream_key(self.topic, p)) for p in range(PARTITIONS))
        with closing(open_topics(self.broker_url)) as broker:
            return sum(of.end for of in broker.watermarks(self.topic).values())


@pytest.fixture
def troubled(tmp_path: Path) -> Iterator[Callable[..., Troubled]]:
    with ExitStack() as stack:

        def made(kind: str) -> Troubled:
            return TROUBLES[kind](tmp_path, stack)

        yield made


def _made(folder: Path, befall: Callable[[Troubled], None], **changes: object) -> Troubled:
    urls = {"broker_url": f"sqlite:///{folder / 'streams.db'}", "store_url": f"sqlite:///{folder / 'online.db'}"}
    return Troubled(befall=befall, folder=folder, random=Random(7), **{**urls, **changes})  # type: ignore[arg-type]


def _clocks(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    found = {name: folder / f"{name}.clock" for name in names}
    for path in found.values():
        path.write_text("0")
    return found


def _set(path: Path, offset_us: int) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(str(offset_us))
    beside.replace(path)


def clocks_apart(folder: Path, stack: ExitStack) -> Troubled:
    """Of three hosts one is five minutes ahead, one as much behind, one is set back and on; Redis has the stamps."""
    server = stack.enter_context(redis_server())
    clocks = _clocks(folder, ["host0", "host1", "host2"])
    _set(clocks["host0"], FIVE_MINUTES)
    _set(clocks["host1"], -FIVE_MINUTES)

    def befall(of: Troubled) -> None:
        _set(of.clocks["host2"], of.random.choice([1, -1, 0]) * of.random.randrange(FIVE_MINUTES))
        of.troubles += 1

    return _made(folder, befall, store_url=server.url, clocks=clocks, own=((0, 2), (1, 3), (0, 3)))


def store_steps_back(folder: Path, stack: ExitStack) -> Troubled:  # noqa: ARG001
    """The clock of the store is set back and on, by five minutes at most."""

    def befall(of: Troubled) -> None:
        now = int(of.clocks["store"].read_text())
        _set(of.clocks["store"], now - of.random.randrange(FIVE_MINUTES // 10) if now > -FIVE_MINUTES else 0)
        of.troubles += 1

    return _made(folder, befall, clocks=_clocks(folder, ["store"]))


def redis_broker_killed(folder: Path, stack: ExitStack) -> Troubled:
    """The broker is a Redis that appends each message to its file at once, and is killed and started again."""
    server = stack.enter_context(redis_server("--appendonly", "yes", "--appendfsync", "always"))

    def befall(of: Troubled) -> None:
        server.kill()
        of.go_on(of.random.uniform(0.0, 1.0))
        server.start()
        of.troubles += 1

    return _made(folder, befall, broker_url=server.url)


def sqlite_sender_killed(folder: Path, stack: ExitStack) -> Troubled:
    """The broker is a file, and whoever writes it is killed at any moment."""
    told, processes = folder / "acknowledged", list[subprocess.Popen[bytes]]()

    def end() -> None:
        for process in processes:
            process.kill()
            process.wait()

    def befall(of: Troubled) -> None:
        end()
        of.others += int(told.read_text()) if told.exists() else 0
        told.unlink(missing_ok=True)
        arguments = [of.broker_url, of.topic, str(told), str(of.troubles)]
        processes[:] = [subprocess.Popen([sys.executable, "-m", "tests.streaming.sender_program", *arguments])]
        time.sleep(of.random.uniform(0.6, 1.5))
        of.troubles += 1

    stack.callback(end)
    made = _made(folder, befall)
    made.at_end = end
    return made


def redis_store_restored(folder: Path, stack: ExitStack) -> Troubled:
    """The store is a Redis that comes back as it was some seconds ago."""
    server = stack.enter_context(redis_server())
    kept: list[bool] = []

    def befall(of: Troubled) -> None:
        kept.append(True)
        if len(kept) % 2:
            with server.client() as client:
                client.save()
            return
        server.kill()
        server.start()
        of.troubles += 1

    return _made(folder, befall, store_url=server.url)


def sqlite_store_restored(folder: Path, stack: ExitStack) -> Troubled:  # noqa: ARG001
    """The store is a file that is put back as it was some seconds ago."""
    losses = SqliteLosses(folder / "online.db")
    kept: list[bool] = []

    def befall(of: Troubled) -> None:
        kept.append(True)
        if len(kept) % 2:
            losses.keep(0)
            return
        losses.restore(0)
        of.troubles += 1

    return _made(folder, befall)


def postgres_store_killed(folder: Path, stack: ExitStack) -> Troubled:
    """The store is a PostgreSQL that is killed, and started again after a while."""
    own = stack.enter_context(own_postgres())

    def befall(of: Troubled) -> None:
        own.kill()
        of.go_on(of.random.uniform(0.0, 1.0))
        own.start()
        of.troubles += 1

    return _made(folder, befall, store_url=own.server.url)


def postgres_store_restored(folder: Path, stack: ExitStack) -> Troubled:
    """The store is a database of PostgreSQL that is put back as it was some seconds ago."""
    url = stack.enter_context(own_postgres()).server.url
    losses, kept = PostgresLosses(url), list[bool]()

    def befall(of: Troubled) -> None:
        kept.append(True)
        if len(kept) % 2:
            losses.keep(0)
            return
        losses.restore(0)
        of.troubles += 1

    return _made(folder, befall, store_url=url)


def postgres_fails_over(folder: Path, stack: ExitStack) -> Troubled:
    """The store is a PostgreSQL with a replica, which may be late; the primary is killed, and becomes a replica."""
    pair = [stack.enter_context(own_postgres())]
    pair.append(stack.enter_context(pair[0].replica()))

    def befall(of: Troubled) -> None:
        primary, replica = pair
        primary.kill()
        of.go_on(of.random.uniform(0.0, 1.0))
        replica.promote()
        of.go_on(of.random.uniform(0.0, 1.0))
        pair[:] = [replica, stack.enter_context(replica.replica(primary.port))]
        of.troubles += 1

    return _made(folder, befall, store_url=two_hosts(*pair))


def redis_full(folder: Path, stack: ExitStack) -> Troubled:
    """Broker and store are a Redis that is full for a while."""
    server = stack.enter_context(redis_server())

    def befall(of: Troubled) -> None:
        with server.client() as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] + of.random.randrange(20_000))
            of.go_on(of.random.uniform(0.2, 2.0))
            client.config_set("maxmemory", 0)
        of.troubles += 1

    return _made(folder, befall, broker_url=server.url, store_url=server.url)


def redis_slow(folder: Path, stack: ExitStack) -> Troubled:
    """Broker and store are a Redis that answers nothing for two seconds."""
    server = stack.enter_context(redis_server())

    def befall(of: Troubled) -> None:
        ends = threading.Timer(2.0, server.resume)
        server.pause()
        ends.start()
        of.go_on(2.0)
        ends.join()
        of.troubles += 1

    return _made(folder, befall, broker_url=server.url, store_url=server.url)


TROUBLES: Mapping[str, Callable[[Path, ExitStack], Troubled]] = {
    "clocks apart": clocks_apart,
    "store steps back": store_steps_back,
    "redis broker killed": redis_broker_killed,
    "sqlite sender killed": sqlite_sender_killed,
    "redis store restored": redis_store_restored,
    "sqlite store restored": sqlite_store_restored,
    "postgres store killed": postgres_store_killed,
    "postgres store restored": postgres_store_restored,
    "postgres fails over": postgres_fails_over,
    "redis full": redis_full,
    "redis slow": redis_slow,
}


def played(made: Troubled, times: int) -> None:
    made.run(times)
    compared, in_gaps = made.judge()
    sys.stdout.write(
        f"{made.troubles} times, {made.sent} events, {made.refused} refused turns, {len(made.answered)} answers, "
        f"{made.unanswered} unanswered, {compared} compared, {in_gaps} in gaps\n"
    )
    assert made.troubles > 0
    assert compared > 0


@pytest.mark.long
@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.sample(2)
def test_what_befalls_loses_and_doubles_nothing(troubled: Callable[..., Troubled], kind: str):
    played(troubled(kind), 4)


@pytest.mark.stress
@pytest.mark.parametrize("kind", TROUBLES)
def test_what_befalls_many_times_loses_and_doubles_nothing(troubled: Callable[..., Troubled], kind: str):
    played(troubled(kind), 40)
