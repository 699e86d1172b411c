"""Keys that were seen lately, and what is held of those that were seen before: by lists that are looked through."""

from __future__ import annotations

import sys
from random import Random

import pytest

from featurectl.core.lru_cache import RepeatsCache
from featurectl.core.seen_keys import KEYS_SHARE, OF_A_KEY, SeenKeys
from tests.seeds import seeds_from

LEAST = 2 * KEYS_SHARE * OF_A_KEY


@pytest.mark.parametrize("seed", seeds_from(0, 30))
def test_a_key_is_known_until_as_many_others_came_as_have_room(seed: int):
    random, room, count = Random(seed), 100_000, 0
    seen, came = SeenKeys(room), list[tuple[int, int]]()  # keys with their sizes
    for _ in range(200):
        keys, size = range(count, count := count + random.randrange(1, 4)), random.choice([10, 3_000, 9_000])
        see = seen.see_new if random.random() < 0.5 else seen.see
        assert see(keys, size * len(keys)) in (True, None)
        assert not seen.see_new([*keys, -1], 0)
        assert -1 not in seen
        came += [(key, max(size, LEAST)) for key in keys]
        since = 0  # bytes of keys that came later, and of this
        for key, of in reversed(came):
            since += of
            if since <= room:
                assert key in seen
            elif since > 2 * room + 4 * 9_000:
                assert key not in seen


def test_keys_take_a_tenth_of_the_room_at_most():
    seen, most = SeenKeys(1_000_000), 0
    for number in range(0, 5_000, 10):
        seen.see(range(number, number + 10), 10)
        most = max(most, sum(key in seen for key in range(5_000)))
    assert 900 < most <= 1_020  # with what came last
    hashes = {hash(b"%d" % number) for number in range(100_000)}
    assert (sys.getsizeof(hashes) + sum(map(sys.getsizeof, hashes))) / len(hashes) < OF_A_KEY


def test_a_key_that_comes_again_takes_no_more_room():
    seen = SeenKeys(10_000)
    seen.see(["a"], 3_000)
    for _ in range(100):
        seen.see(["b"], 3_000)
    assert "a" in seen


def test_what_was_held_or_seen_is_known_until_it_is_removed():
    cache = RepeatsCache[str, int](100_000)
    cache.seen.see(["seen"], 100)
    cache.put("held", 1, 100)
    assert [cache.knows(key) for key in ("seen", "held", "other")] == [True, True, False]
    assert [cache.knows_any([key, "other"]) for key in ("seen", "held", "another")] == [True, True, False]
    assert [cache.holds_any([key, None]) for key in ("seen", "held")] == [False, True]
    assert [cache.remove("held"), cache.remove("held"), cache.remove("seen")] == [True, False, False]
    assert not cache.knows("held")


def test_values_have_what_keys_leave_of_the_room():
    cache = RepeatsCache[int, int](1_000)
    cache.resize(10_000)
    assert cache.seen.room == 5_000
    for number in range(20):
        cache.put(number, number, 1_000)
        cache.remove(number - 100)
    assert [number for number in range(20) if number in cache] == [*range(11, 20)]
    for number in range(11, 20):
        cache.remove(number)
    for number in range(9):  # what was removed has left its room
        cache.put(number, number, 1_000)
    assert all(number in cache for number in range(9))
