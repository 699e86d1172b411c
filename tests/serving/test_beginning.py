"""When a process begins to answer: alone at once or when it is loaded, of several when the first is loaded, too."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from featurectl.serving import startup
from featurectl.serving.app import ServerKeys, make_app
from featurectl.serving.startup import AT_ONCE, WHEN_LOADED, Beginning


class Begun:
    """A process that begins; `is_known` is set when it is loaded."""

    def __init__(self, how):
        self.is_known, self._open, self._end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run(how))

    async def _run(self, how):
        async with how.of(self.is_known):
            self._open.set()
            await self._end.wait()

    async def answers(self):
        """Wait until it does: as long as a busy machine takes."""
        await asyncio.wait_for(self._open.wait(), 10)

    async def waits(self):
        """Return whether it answers not yet, after a while in which it would have."""
        await asyncio.sleep(0.1)
        return not self._open.is_set()

    async def end(self):
        self._end.set()
        await asyncio.wait_for(self._task, 10)


def test_one_that_is_alone_answers_at_once_or_when_it_is_loaded():
    async def story():
        at_once, when_loaded = Begun(AT_ONCE), Begun(WHEN_LOADED)
        await at_once.answers()
        assert await when_loaded.waits()
        when_loaded.is_known.set()
        await when_loaded.answers()
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
            assert await both[1].waits()
            both[place].is_known.set()
        await both[1].answers()
        for one in both:
            await one.end()

    asyncio.run(story())


def test_nobody_waits_for_ever_for_a_first_that_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(startup, "LOAD_S", 0.05)

    async def story():
        one = Begun(Beginning(mark=tmp_path / "loaded"))
        one.is_known.set()
        await one.answers()
        await one.end()

    asyncio.run(story())


def test_a_first_that_can_not_say_that_it_is_loaded_ends_as_it_would(tmp_path):
    async def story():
        one = Begun(Beginning(at_once=True, mark=tmp_path / "no-such-folder" / "loaded"))
        one.is_known.set()
        assert not await one.waits()
        await one.end()

    asyncio.run(story())


def test_a_server_whose_beginning_fails_is_stopped():
    class Failing(Beginning):
        @asynccontextmanager
        async def of(self, is_known):  # noqa: ARG002  # of the protocol
            yield
            raise OSError("no space left on device")

    done = []

    async def stop():
        done.append("stopped")

    async def story():
        tasks = SimpleNamespace(start=lambda: done.append("started"), stop=stop)
        settings = SimpleNamespace(max_body_bytes=1, timeout_s=1.0)
        context = SimpleNamespace(status=SimpleNamespace(is_known=None), settings=settings, events=None)
        app = make_app(context, tasks, ServerKeys(), Failing()).app
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(OSError, match="no space left"):
        asyncio.run(story())
    assert done == ["started", "stopped"]
