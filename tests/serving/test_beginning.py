"""When a process begins to answer: alone at once or when it is loaded, of several when the first is loaded, too."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from featurectl.serving import beginning
from featurectl.serving.beginning import AT_ONCE, WHEN_LOADED, Beginning


class Begun:
    """A process that begins; `follower` has what it loads."""

    def __init__(self, how):
        self.follower, self.is_open, self._end = SimpleNamespace(looked=asyncio.Event()), False, asyncio.Event()
        self._task = asyncio.create_task(self._run(how))

    async def _run(self, how):
        async with how.of(self.follower):
            self.is_open = True
            await self._end.wait()

    async def after_a_while(self):
        await asyncio.sleep(0.1)
        return self.is_open

    async def end(self):
        self._end.set()
        await asyncio.wait_for(self._task, 10)


def test_one_that_is_alone_answers_at_once_or_when_it_is_loaded():
    async def story():
        at_once, when_loaded = Begun(AT_ONCE), Begun(WHEN_LOADED)
        assert (await at_once.after_a_while(), await when_loaded.after_a_while()) == (True, False)
        when_loaded.follower.looked.set()
        assert await when_loaded.after_a_while()
        await at_once.end()
        await when_loaded.end()

    asyncio.run(story())


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the first is loaded first", "the other is loaded first"])
def test_others_answer_when_they_and_the_first_are_loaded(tmp_path, order):
    """Else who was told "ready" by the other would be refused by the first."""

    async def story():
        mark = tmp_path / "loaded"
        both = [Begun(Beginning(at_once=True, mark=mark)), Begun(Beginning(mark=mark))]
        for place in order:
            assert await both[1].after_a_while() is False
            both[place].follower.looked.set()
        assert await both[1].after_a_while()
        for one in both:
            await one.end()

    asyncio.run(story())


def test_nobody_waits_for_ever_for_a_first_that_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(beginning, "LOAD_S", 0.05)

    async def story():
        one = Begun(Beginning(mark=tmp_path / "loaded"))
        one.follower.looked.set()
        assert await one.after_a_while()
        await one.end()

    asyncio.run(story())
