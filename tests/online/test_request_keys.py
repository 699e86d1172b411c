"""Keys of requests in every kind of online store: claimed once, settled, given up, forgotten after a day."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis

from featurectl.online.dynamodb.request_keys import DynamoRequestKeys
from featurectl.online.postgres.request_keys import PostgresRequestKeys
from featurectl.online.redis.request_keys import RedisRequestKeys
from featurectl.online.request_keys import KEPT_US, LEASE_US, KeyClaim, RequestKey, RequestKeys, request_key
from featurectl.online.sqlite.request_keys import SqliteRequestKeys
from featurectl.online.stream_state.base import StreamSource

Open = Callable[..., RequestKeys]
NEW, BUSY, OTHER = KeyClaim(status="new"), KeyClaim(status="busy"), KeyClaim(status="other")
DYNAMODB = pytest.param("dynamodb_url", marks=pytest.mark.long)  # it forgets keys by their age alone
KINDS = [
    "sqlite",
    "redis_url",
    "postgres_url",
    DYNAMODB,
    pytest.param("valkey_url", marks=pytest.mark.long),
    pytest.param("redis_cluster_url", marks=pytest.mark.long),
]


@pytest.fixture(params=KINDS)
def open_keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """What opens the keys of one store, as another process would."""
    url = "" if request.param == "sqlite" else request.getfixturevalue(request.param)
    with ExitStack() as stack:

        def opened(most: int = 1_000) -> RequestKeys:
            if request.param == "sqlite":
                made: RequestKeys = SqliteRequestKeys(tmp_path / "on.db", "on.db", 10.0, most=most)
            elif request.param == "postgres_url":
                made = PostgresRequestKeys(url, "postgres", 10.0, most=most)
            elif request.param == "dynamodb_url":
                made = DynamoRequestKeys(url, "dynamodb", 10.0)
            else:
                made = RedisRequestKeys(url, "redis", 10.0, most=most)
            return stack.enter_context(closing(made))

        yield opened


@pytest.fixture
def source() -> StreamSource:
    return StreamSource(project=f"shop_{uuid.uuid4().hex[:8]}", env="dev", source="swipes")


def test_a_key_is_carried_out_once_and_for_one_body(open_keys: Open, source: StreamSource):
    keys, others = open_keys(), open_keys()
    first = request_key("a", b"1")
    assert keys.claim(source, [first, request_key("b", b"1")]) == [NEW, NEW]
    assert others.claim(source, [request_key("a", b"1"), request_key("a", b"2")]) == [BUSY, OTHER]
    others.settle(source, [request_key("a", b"1")], [9])  # not its own claim
    assert others.claim(source, [request_key("a", b"1")]) == [BUSY]
    keys.settle(source, [first], [3])
    done = KeyClaim(status="done", events=3)
    assert others.claim(source, [request_key("a", b"1"), request_key("a", b"2")]) == [done, OTHER]
    keys.release(source, [first])  # what was carried out stays so
    assert others.claim(source, [request_key("a", b"1")]) == [done]


def test_two_of_one_step_and_one_that_is_sent_again_are_told_apart(open_keys: Open, source: StreamSource):
    keys = open_keys()
    first, second = request_key("a", b"1"), request_key("a", b"1")
    assert keys.claim(source, [first, second]) == [NEW, BUSY]
    assert keys.claim(source, [first]) == [NEW]  # over a connection that broke before the answer
    keys.release(source, [second])
    assert keys.claim(source, [second]) == [BUSY]
    keys.release(source, [first])
    assert keys.claim(source, [second]) == [NEW]


def test_sources_have_keys_of_their_own(open_keys: Open, source: StreamSource):
    other = StreamSource(project=source.project, env=source.env, source="taps")
    keys = open_keys()
    assert [keys.claim(of, [request_key("a", b"1")]) for of in (source, other)] == [[NEW], [NEW]]


@pytest.mark.parametrize("open_keys", [kind for kind in KINDS if kind != DYNAMODB], indirect=True)
def test_of_too_many_keys_the_oldest_go(open_keys: Open, source: StreamSource):
    made, keys = [request_key(f"k{number}", b"1") for number in range(130)], open_keys(most=50)
    for key in made:
        assert keys.claim(source, [key]) == [NEW]
    again = keys.claim(source, [request_key(f"k{number}", b"1") for number in (129, 100, 10, 0)])
    assert [claim.status for claim in again] == ["busy", "busy", "new", "new"]


def test_only_one_of_many_at_once_claims_a_key(open_keys: Open, source: StreamSource):
    def claim(_: int) -> list[KeyClaim]:
        with closing(open_keys()) as keys:
            return keys.claim(source, [request_key(f"k{number}", b"1") for number in range(5)])

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(claim, range(8)))
    for number in range(5):
        assert sorted(claims[number].status for claims in found) == ["busy"] * 7 + ["new"]


def aged(key: RequestKey, path: Path, clock: list[int]) -> SqliteRequestKeys:
    keys = SqliteRequestKeys(path, "on.db", 10.0, clock=lambda: clock[0])
    keys.claim(StreamSource(project="shop", env="dev", source="swipes"), [key])
    return keys


def test_a_claim_ends_after_a_minute_and_what_was_done_after_a_day(tmp_path: Path):
    source, clock, first = StreamSource(project="shop", env="dev", source="swipes"), [10**15], request_key("a", b"1")
    with closing(aged(first, tmp_path / "on.db", clock)) as keys:
        clock[0] += LEASE_US - 1
        assert keys.claim(source, [request_key("a", b"1")]) == [BUSY]
        clock[0] += 1
        second = request_key("a", b"1")
        assert keys.claim(source, [request_key("a", b"2"), second]) == [OTHER, NEW]
        keys.settle(source, [first], [7])  # it was slow, and another has taken it over
        assert keys.claim(source, [request_key("a", b"1")]) == [BUSY]
        keys.settle(source, [second], [2])
        clock[0] += KEPT_US - 1
        assert keys.claim(source, [request_key("a", b"1")]) == [KeyClaim(status="done", events=2)]
        clock[0] += 1
        assert keys.claim(source, [request_key("a", b"2")]) == [NEW]


@pytest.mark.long
def test_the_same_holds_in_dynamodb(dynamodb_url: str, source: StreamSource):
    clock, first = [10**15], request_key("a", b"1")
    with closing(DynamoRequestKeys(dynamodb_url, "dynamodb", 10.0, clock=lambda: clock[0])) as keys:
        assert keys.claim(source, [first]) == [NEW]
        clock[0] += LEASE_US - 1
        assert keys.claim(source, [request_key("a", b"1")]) == [BUSY]
        clock[0] += 1
        second = request_key("a", b"1")
        assert keys.claim(source, [request_key("a", b"2"), second]) == [OTHER, NEW]
        keys.settle(source, [first], [7])  # it was slow, and another has taken it over
        keys.settle(source, [second], [2])
        assert keys.claim(source, [request_key("a", b"1")]) == [KeyClaim(status="done", events=2)]
        clock[0] += KEPT_US
        assert keys.claim(source, [request_key("a", b"2")]) == [NEW]


def test_the_same_holds_in_redis_whose_clock_counts(redis_url: str, source: StreamSource):
    key = f"{source.project}/dev/k:{{swipes}}"
    with closing(RedisRequestKeys(redis_url, "redis", 10.0)) as keys, redis.Redis.from_url(redis_url) as client:
        first = request_key("a", b"1")
        keys.claim(source, [first])
        assert 0 < client.pttl(key) <= KEPT_US // 1_000

        def turn_back(us: int) -> None:
            """Let what is there have begun so much earlier."""
            for name, value in client.hgetall(key).items():
                begun, _, rest = value.partition(b" ")
                client.hset(key, name, b"%d %b" % (int(begun) - us, rest))
                client.zadd(f"{key}/begun", {name: int(begun) - us})

        turn_back(LEASE_US)
        second = request_key("a", b"1")
        assert keys.claim(source, [request_key("a", b"2"), second]) == [OTHER, NEW]
        keys.settle(source, [second], [2])
        assert keys.claim(source, [request_key("a", b"1")]) == [KeyClaim(status="done", events=2)]
        turn_back(KEPT_US)
        assert keys.claim(source, [request_key("a", b"2")]) == [NEW]
        assert client.hlen(key) == client.zcard(f"{key}/begun") == 1
