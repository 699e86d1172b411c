"""Answers that no Redis gives to a look-up: an error of the store, never values of others or a fault of ours."""

from __future__ import annotations

import pytest
import redis

from featurectl.errors import StoreError
from featurectl.online.base import Ask
from featurectl.online.redis.connect import StoreAddress, translated
from featurectl.online.redis.trips import parted

X = StoreAddress(url="redis://x", shown="redis://x")
ASK = Ask(project="p", env="dev", keys=[b"s1:a"], fields=["spend@1", "visits@1"])


@pytest.mark.parametrize("answer", [5, None, True, 1.5, b"abc", {}, [], [b"a"], [b"a", 4], [b"a", [b"b"]], [b"a"] * 3])
def test_what_is_no_row_for_each_field_is_no_answer_of_a_redis(answer):
    assert parted([ASK], [[b"row", None]]) == [[[b"row", None]]]
    with pytest.raises(redis.InvalidResponse):
        parted([ASK], [answer])


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OverflowError])
def test_an_answer_that_the_parser_gives_up_is_told_as_no_redis(error):
    with pytest.raises(StoreError, match="does not speak the protocol of Redis"), translated(X):
        raise error
