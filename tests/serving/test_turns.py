"""Requests of many values are worked on by turns: what waits costs nothing, and small ones need no turn."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from featurectl.serving.http.bodies import PREDICT
from featurectl.serving.http.problems import Refused
from featurectl.serving.http.requests import Turns, parsed


def test_few_requests_of_many_values_are_worked_on_at_once():
    async def trial():
        turns, inside, most = Turns(2), 0, 0

        async def work():
            nonlocal inside, most
            async with turns.wait():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(work() for _ in range(20)))
        return most

    assert asyncio.run(trial()) == 2


def test_who_waits_too_long_leaves_its_turn():
    async def trial():
        turns, free = Turns(1), asyncio.Event()

        async def hold():
            async with turns.wait():
                await free.wait()

        holder = asyncio.create_task(hold())
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), turns.wait():
                pytest.fail("there was no turn")
        free.set()
        await holder
        async with turns.wait():
            return True

    assert asyncio.run(trial())


def test_a_large_body_of_another_form_is_refused_without_another_reading():
    body = b'{"rows":[' + b"[]," * 300_000 + b"[]]}"
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="the body can't be read"):
            parsed(body, PREDICT)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
