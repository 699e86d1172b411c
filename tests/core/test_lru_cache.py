"""Values in so many bytes: which are held, by a list that is looked through, and from several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from featurectl.core.lru_cache import LruCache
from tests.seeds import seeds_from


class NaiveCache:
    """The same by a list, the value that was used last at its end."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held: list[tuple[int, int, int]] = []

    def find(self, key: int) -> int | None:
        for each in self.held:
            if each[0] == key:
                self.held.remove(each)
                self.held.append(each)
                return each[1]
        return None

    def peek(self, keys: list[int]) -> list[int | None]:
        values = {key: value for key, value, _ in self.held}
        return [values.get(key) for key in keys]

    def put(self, key: int, value: int, size: int) -> None:
        self.put_all([(key, (value, size))])

    def put_all(self, values: list[tuple[int, tuple[int, int]]]) -> None:
        for key, (value, size) in values:
            self.held = [each for each in self.held if each[0] != key]
            self.held.append((key, value, size))
        while sum(each[2] for each in self.held) > self.most:
            del self.held[0]


@pytest.mark.parametrize("seed", seeds_from(0, 50))
def test_what_was_used_last_is_held(seed: int):
    random = Random(seed)
    most = random.choice([0, 1, 20, 300])
    cache, naive = LruCache[int, int](most), NaiveCache(most)
    for value in range(500):
        key, turn = random.randrange(30), random.randrange(6)
        if turn < 2:
            assert cache.find(key) == naive.find(key)
        elif turn < 3:
            keys = random.choices(range(30), k=5)
            assert cache.peek(keys) == naive.peek(keys)
        elif turn < 5:
            size = random.randrange(1, 40)
            cache.put(key, value, size)
            naive.put(key, value, size)
        else:  # some may be of one key, and all of them larger than what there is room for
            several = [
                (random.randrange(30), (value, random.randrange(1, 40))) for _ in range(random.choice([0, 2, 9]))
            ]
            cache.put_all(iter(several))
            naive.put_all(several)
        assert [key in cache for key in range(30)] == [any(each[0] == key for each in naive.held) for key in range(30)]


def test_threads_find_what_they_have_put_or_nothing():
    cache = LruCache[int, int](1_000)

    def use(seed: int) -> int:
        random, found = Random(seed), 0
        for _ in range(20_000):
            key = random.randrange(300)
            cache.put(key, key, 1 + key % 9)
            value = cache.find(random.randrange(300))
            assert value is None or 0 <= value < 300
            found += value is not None
        return found

    with ThreadPoolExecutor(4) as pool:
        assert min(pool.map(use, range(4))) > 0
    held = [key for key in range(300) if key in cache]
    assert 980 < sum(1 + key % 9 for key in held) <= 1_000
