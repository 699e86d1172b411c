"""Deadlines with one timer, against those of a loop that looks at each."""

from __future__ import annotations

import asyncio
import random

import pytest

from featurectl.core.deadlines import Deadlines


@pytest.mark.sample(2)
@pytest.mark.parametrize("seed", range(5))
def test_what_is_not_taken_out_expires_when_it_is_due(seed):
    chance = random.Random(seed)
    begin_due = [(chance.uniform(0, 0.05), chance.uniform(0.05, 0.1)) for _ in range(200)]
    taken_out = {n for n in range(200) if chance.random() < 0.5}
    expired: dict[int, float] = {}

    async def main() -> float:
        loop = asyncio.get_running_loop()
        start_s = loop.time()

        def expire(n: int) -> None:
            expired[n] = loop.time() - start_s

        deadlines = Deadlines[int](expire)
        for n, (begin_s, due_s) in enumerate(begin_due):
            loop.call_at(start_s + begin_s, deadlines.add, n, start_s + begin_s + due_s)
            if n in taken_out:
                loop.call_at(start_s + begin_s + 0.001, deadlines.remove, n)
        await asyncio.sleep(0.3)
        assert not any(n in deadlines for n in range(200))
        return start_s

    asyncio.run(main())
    assert set(expired) == set(range(200)) - taken_out
    assert all(expired[n] >= sum(begin_due[n]) - 1e-3 for n in expired)


def test_an_earlier_deadline_does_not_wait_for_a_later_one():
    expired: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines[str](expired.append)
        deadlines.add("late", loop.time() + 60)
        deadlines.add("early", loop.time() + 0.01)
        await asyncio.sleep(0.05)
        assert "late" in deadlines

    asyncio.run(main())
    assert expired == ["early"]


def test_what_expires_may_add_and_remove_others():
    expired: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def expire(n: int) -> None:
            expired.append(n)
            deadlines.remove(n + 1)
            if n < 4:
                deadlines.add(n + 10, loop.time() + 0.01)

        deadlines = Deadlines[int](expire)
        for n in range(6):
            deadlines.add(n, loop.time() + 0.01)
        await asyncio.sleep(0.1)

    asyncio.run(main())
    assert expired == [0, 2, 4, 10, 12]
