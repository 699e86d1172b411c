"""Lists that are kept: what they take, and of which it pays to keep them."""

from __future__ import annotations

import tracemalloc

import pytest

from featurectl.online.redis import kept_lists
from featurectl.online.redis.kept_lists import KeptLists
from featurectl.online.redis.tracked_trip import note_sizes
from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.compiled.loading import LOADED
from featurectl.online.stream_state.received_lists import ReceivedList

LIST = [b"x" * 2_000]


def reads_until_worth(kept: KeptLists, key: bytes) -> int:
    """How often a list is read that was read before until it pays to keep it."""
    reads = 1
    while not kept.worth([key]):
        reads += 1
    return reads


def test_a_list_is_worth_to_be_kept_when_it_is_read_again():
    kept = KeptLists(100_000)
    assert not kept.worth([b"key"])
    kept.see_keys([b"key"], 2_000)
    assert kept.worth([b"key", b"other"]) == [b"key"]


def test_a_list_that_changes_unread_is_worth_it_ever_more_seldom():
    kept = KeptLists(100_000)
    kept.see_keys([b"key"], 2_000)
    reads = []
    for _ in range(9):
        reads.append(reads_until_worth(kept, b"key"))
        kept.keep(b"key", LIST)
        kept.drop(b"key")
        assert kept.find(b"key") is None
        assert kept.knows(b"key")
    assert reads == [1, 2, 3, 5, 9, 17, 33, 65, 65]
    kept.keep(b"key", LIST)
    assert kept.find(b"key") == LIST  # it was asked for before it changed
    kept.drop(b"key")
    assert reads_until_worth(kept, b"key") == 2


def test_of_so_many_lists_it_is_known_that_they_change(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_lists, "_MOST_CHANGED", 3)
    kept, keys = KeptLists(100_000), [b"%d" % number for number in range(4)]
    for key in keys:
        kept.keep(key, LIST)
        kept.drop(key)
    assert [reads_until_worth(kept, key) for key in keys] == [1, 1, 1, 2]


def test_a_list_that_is_too_large_is_not_kept():
    kept = KeptLists(100_000)
    kept.keep(b"key", LIST)
    kept.keep(b"key", [b"x" * 60_000])
    assert kept.find(b"key") is None


def test_keys_of_lists_that_can_be_kept_are_known_once_these_were_read():
    kept = KeptLists(100_000)
    commands: list[RedisCommand] = [("LRANGE", key, 0, -1) for key in (b"short", b"least", b"most", b"large")]
    note_sizes(kept, [*commands, ("HMGET", b"rows", b"field")], [999, 1_000, 50_000, 50_001, 5_000])
    assert [key for key in (b"short", b"least", b"most", b"large", b"rows") if kept.knows(key)] == [b"least", b"most"]


def test_keys_are_forgotten_when_lists_would_have_taken_all_the_room():
    kept = KeptLists(100_000)
    note_sizes(kept, [("LRANGE", b"key", 0, -1)], [10_000])
    known = []
    for number in range(12):
        note_sizes(kept, [("LRANGE", b"other%d" % number, 0, -1)], [10_000])
        known.append(kept.knows(b"key"))
    assert known == [True] * 10 + [False] * 2


def test_lists_that_loops_read_are_kept_in_memory_of_their_own(monkeypatch: pytest.MonkeyPatch):
    kept = KeptLists(100_000)
    assert type(kept.keep(b"key", LIST)) is list
    monkeypatch.setattr(LOADED, "loops", object())
    found = kept.keep(b"key", LIST)
    assert type(found) is ReceivedList
    assert kept.find(b"key") is found
    assert found == LIST
    assert kept.keep(b"empty", []) == []


def test_all_lists_are_forgotten_at_once_and_stay_known():
    kept = KeptLists(100_000)
    kept.keep(b"key", LIST)
    assert kept.absent([b"key", b"other"]) == [b"other"]
    kept.forget_elements()
    assert kept.absent([b"key", b"other"]) == [b"key", b"other"]
    assert kept.knows(b"key")


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize(("head", "records"), [(1_000, 0), (4_000, 0), (3_600, 24), (3_600, 100)])
def test_lists_take_no_more_than_there_is_room_for(head, records, is_compiled, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(LOADED, "loops", object() if is_compiled else None)
    kept, count = KeptLists(1_000_000), 1_000
    lists = [(b"project/dev/view@1/a1/%09d" % number, number) for number in range(count)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for key, number in lists:
            kept.keep(key, [bytes(head - number % 7), *(bytes(45 - i % 7) for i in range(records))])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = sum(kept.find(key) is not None for key, _ in lists)
    assert 50 < held < count
    assert after - before < 1.1 * kept.most
