"""URLs of a Cluster, its map of slots, and commands on their way."""

from __future__ import annotations

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.errors import UsageError
from featurectl.online.all_stores import open_online
from featurectl.online.redis.slots import PAUSES_S, Journey, SlotMap, parse_cluster_url, slot_of, slot_tags

A, B, C = ("a", 1), ("b", 2), ("c", 3)
HALVES = [[0, 8191, [b"a", 1, b"id"], [b"r", 9, b"id"]], [8192, 16383, [b"b", 2, b"id"]]]


def known() -> SlotMap:
    slots = SlotMap([A])
    slots.learn(HALVES, A)
    return slots


def gets(*keys: str):
    return [(b"HMGET", key.encode(), b"f") for key in keys]


def key_in(first: int, end: int, number: int = 0) -> str:
    return [tag.decode() for tag in slot_tags()[first:end]][number]


@pytest.mark.parametrize(
    ("url", "seeds", "node"),
    [
        ("redis+cluster://one", (("one", 6379),), "redis://x:1/"),
        ("redis+cluster://one:7,two:8/0", (("one", 7), ("two", 8)), "redis://x:1/"),
        ("rediss+cluster://ana:p@ss,w/ord@one:7/?a=b", (("one", 7),), "rediss://ana:p@ss,w/ord@x:1/?a=b"),
        ("redis+cluster://:pw@[::1]:7,[::2]?a=b", (("::1", 7), ("::2", 6379)), "redis://:pw@x:1/?a=b"),
    ],
)
def test_a_url_names_some_nodes_and_what_holds_for_all(url, seeds, node):
    found = parse_cluster_url(url)
    assert (found.seeds, found.node(("x", 1))) == (seeds, node)


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster:///",
        "redis+cluster://host:port/",
        "redis+cluster://host/1",
        "redis+cluster://one,,two/",
        "redis+cluster://one/?socket_timeout=soon",
    ],
)
def test_a_url_that_is_none_is_wrong_usage(url):
    with pytest.raises(UsageError, match="is no URL of Redis"):
        open_online(url)


def test_each_slot_has_a_number_that_lies_in_it():
    assert [slot_of(tag) for tag in slot_tags()] == list(range(16_384))
    assert slot_of(b"123456789") == 12_739  # the example of the specification


@given(st.text(), st.text())
def test_keys_of_one_entity_lie_in_one_slot_whatever_the_environment(prefix, entity):
    first, second = (f"{name}/dev:{{i2:{entity}}}".encode() for name in ("a", "b" + prefix.replace("{", "")))
    assert slot_of(first) == slot_of(second)


def test_commands_go_to_the_nodes_of_their_slots_and_answers_keep_order():
    low, high = key_in(0, 8192), key_in(8192, 16384)
    journey = Journey(gets(high, low, high), known())
    legs = journey.legs()
    assert [(leg.address, leg.commands) for leg in legs] == [(B, gets(high, high)), (A, gets(low))]
    legs[1].settle([[b"1"]])
    legs[0].settle([[b"0"], [b"2"]])
    assert (journey.answers, journey.left) == ([[b"0"], [b"1"], [b"2"]], [])


def test_a_slot_that_has_moved_is_followed_and_the_map_learnt_anew():
    low, slots = key_in(0, 8192), known()
    journey = Journey(gets(low, low), slots)
    moved = redis.exceptions.MovedError(f"{slot_of(low.encode())} c:3")
    journey.legs()[0].settle([moved, moved])
    assert slots.stale
    slots.learn(HALVES, B)  # a node that has not heard of it yet
    [leg] = journey.legs()
    assert (leg.address, len(leg.commands)) == (C, 2)
    leg.settle([[b"1"], [b"2"]])
    assert journey.left == []


def test_a_moving_slot_is_asked_for_at_its_target_and_stays_where_it_is():
    low, slots = key_in(0, 8192), known()
    journey = Journey(gets(low, low), slots)
    journey.legs()[0].settle([redis.exceptions.AskError(f"{slot_of(low.encode())} c:3"), [b"here"]])
    [leg] = journey.legs()
    assert (leg.address, leg.commands) == (C, [(b"ASKING",), *gets(low)])
    leg.settle([b"OK", [b"there"]])
    assert (journey.answers, journey.left, slots.owner(slot_of(low.encode()))) == ([[b"there"], [b"here"]], [], A)


def test_a_redirection_without_a_host_is_to_the_node_that_was_asked():
    low, slots = key_in(0, 8192), known()
    journey = Journey(gets(low), slots)
    journey.legs()[0].settle([redis.exceptions.MovedError(f"{slot_of(low.encode())} :7")])
    assert journey.legs()[0].address == ("a", 7)


def test_an_error_of_one_command_is_its_answer():
    journey = Journey(gets(key_in(0, 8192)), known())
    error = redis.ResponseError("WRONGTYPE")
    journey.legs()[0].settle([error])
    assert (journey.answers, journey.left) == ([error], [])


def test_a_lost_node_is_asked_last_and_its_slots_are_learnt_from_another():
    slots = known()
    journey = Journey(gets(key_in(0, 8192)), slots)
    journey.legs()[0].settle(redis.ConnectionError("refused"))
    assert (slots.stale, slots.advisers()) == (True, [B, A])
    slots.learn([[0, 16383, [b"b", 2, b"id"]]], B)
    assert journey.legs()[0].address == B


@pytest.mark.parametrize(
    "error", [redis.TimeoutError("late"), redis.AuthenticationError("no"), redis.InvalidResponse("?")]
)
def test_there_is_no_second_try_with_a_node_that_had_its_time_or_refuses(error):
    journey = Journey(gets(key_in(0, 8192)), known())
    with pytest.raises(type(error)):
        journey.legs()[0].settle(error)


def test_a_slot_that_nobody_serves_is_said_to_be():
    slots = SlotMap([A])
    slots.learn(HALVES[:1], A)
    with pytest.raises(redis.exceptions.ClusterDownError, match="served by no node"):
        Journey(gets(key_in(8192, 16384)), slots).legs()


def test_a_node_that_does_not_know_its_host_is_where_it_was_asked():
    slots = SlotMap([A])
    slots.learn([[0, 16383, [None, 7, b"id"]]], A)
    assert slots.primaries() == [("a", 7)]


def test_what_moved_is_redirected_at_once_and_what_moves_is_waited_for():
    low, slots = key_in(0, 8192), known()
    journey, tries = Journey(gets(low), slots), []
    for pause_s in journey.pauses_s():
        tries.append(pause_s)
        error = redis.exceptions.TryAgainError("two places") if len(tries) > 1 else redis.exceptions.AskError("1 c:3")
        journey.legs()[0].settle([[b"1"]] if len(tries) == 12 else [b"OK", error][-1:] * (1 + (len(tries) == 2)))
    assert tries == [0, 0, *PAUSES_S[2:], *PAUSES_S[-1:] * 6]
    assert journey.answers == [[b"1"]]


def test_a_node_that_stays_away_ends_the_tries():
    journey = Journey(gets(key_in(0, 8192)), known())
    for _ in journey.pauses_s():
        journey.legs()[0].settle(redis.ConnectionError("refused"))
    assert journey.left == [0]
