"""A server follows its registry and its online store: what is applied, trained, promoted and pushed is taken up.

Nothing here is waited for by a request: the registry and the files of models are read in a thread of their own, and as
long as one of them, or the store, is away, what is served goes on being served.
"""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.memory import give_back
from featurectl.online.base import PushRecord
from featurectl.online.client.pushed_versions import LastPush, Pushed, VersionKey
from featurectl.registry.state import State
from featurectl.serving.change_messages import report_begin, report_changes, report_reached
from featurectl.serving.context import ServerContext
from featurectl.serving.freshness import age_us, ahead_of
from featurectl.serving.last_pushes import read_pushes
from featurectl.serving.project.served_project import ServedProject
from featurectl.serving.thread import OneThread

T = TypeVar("T")


class ProjectSource(Protocol):
    """Where a server's project comes from."""

    def state(self) -> State:
        """Return the project as the registry has it.

        Raises:
            FeaturectlError: it can't be read, or knows nothing of the project any more.
        """

    def load(self, state: State, pushed: Pushed, before: ServedProject | None) -> ServedProject:
        """Return a project of which these view versions were pushed, its models loaded."""

    def judge(self, failures: Mapping[str, str]) -> bool:
        """Judge the running canaries, and return whether one has ended.

        `failures` says of which versions this process could load none, and why: a challenger of them is rolled back.
        """


class Follower:
    """The tasks that keep up what a server serves."""

    def __init__(self, context: ServerContext, source: ProjectSource) -> None:
        self._context = context
        self._status = context.status
        self._source = source
        self._thread = OneThread("follow")
        self._tasks: list[asyncio.Task[None]] = []
        self._one_at_once = asyncio.Lock()  # of two looks at once, that which began first could end last

    def start(self) -> None:
        """Begin to load, then to follow, and to judge canaries."""
        settings, loop = self._context.settings, asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._forever(self._judge, settings.judge_s, settings.judge_s)))
        self._tasks.append(loop.create_task(self._forever(self.follow_registry, settings.reload_s)))
        self._tasks.append(loop.create_task(self._forever(self._follow_pushes, settings.reload_s, settings.reload_s)))

    async def stop(self) -> None:
        """Follow no more; what is being loaded is left alone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def follow_registry(self) -> None:
        """Serve what was applied, trained or promoted since; requests under way end with what they began with."""
        async with self._one_at_once:
            try:
                await self._take_up(await self._beside(self._source.state))
            except Exception as error:  # noqa: BLE001 (whatever fails, what is served goes on being served)
                self._report_error(error)
            else:
                self._status.registry_error = ""
                self._context.journal.end("registry_lost", "registry_back")
            finally:
                self._status.is_known.set()

    async def _take_up(self, state: State) -> None:
        served = self._status.project
        if served is not None and _are_one(state, served.catalog.state):
            before = dict(served.failures)
            if await self._beside(served.reach_again):
                report_reached(self._context.journal, before, served)
                self._show_models()
            return
        try:
            pushed = await read_pushes(self._context, state)
        except StoreError as error:
            self._status.starting = f"online store: {error.message}"
            return
        await self._load(state, pushed)

    async def _follow_pushes(self) -> None:
        """Serve by their names what was pushed since, and show how old it is."""
        async with self._one_at_once:
            served = self._status.project
            if served is None:
                return
            try:
                pushed = await read_pushes(self._context, served.catalog.state)
            except StoreError:  # whoever reads it is answered so
                return
            if _read_by(pushed) != _read_by(served.catalog.pushed):
                await self._load(served.catalog.state, pushed)
            self._show_ages()

    async def _load(self, state: State, pushed: Pushed) -> None:
        before = self._status.project
        self._status.project = await self._beside(lambda: self._source.load(state, pushed, before))
        if before is None:
            # What is there by now stays: it need not be looked at again, and seldom what comes.
            gc.collect()
            gc.freeze()
            give_back()
            gc.set_threshold(100_000, 50, 1_000)
            report_begin(self._context.journal, self._status.project, self._status.begun)
        else:
            self._context.metrics.reloads.labels("done").inc()
            report_changes(self._context.journal, before, self._status.project, self._status.begun)
        self._show_models()
        self._show_ages()

    async def _judge(self) -> None:
        """Judge the canaries that run; when one has ended, serve what that means at once."""
        served = self._status.project
        if served is None or all(run.state != "running" for run in served.catalog.state.canaries):
            return
        try:
            ended = await asyncio.to_thread(self._source.judge, served.failures)
        except FeaturectlError as error:
            self._context.journal.begin("canary_not_judged", error.message, "warning")
        else:
            self._context.journal.end("canary_not_judged", "canary_judged")
            if ended:
                await self.follow_registry()

    def _report_error(self, error: Exception) -> None:
        self._context.metrics.reloads.labels("failed").inc()
        self._status.registry_error = error.message if isinstance(error, FeaturectlError) else repr(error)
        self._status.starting = f"registry: {self._status.registry_error}"
        self._context.journal.begin("registry_lost", self._status.registry_error)

    def _show_models(self) -> None:
        assert self._status.project is not None
        aliases = self._status.project.catalog.state.aliases.items()
        shown = {
            (model, str(n), alias): int((model, n) in self._status.project.models) for (model, alias), n in aliases
        }
        self._context.metrics.show_models(shown)

    def _show_ages(self) -> None:
        now, ages = self._context.features.now(), dict[tuple[str, str], float]()
        for view in self._context.project.read_views():
            age = age_us(self._context.features.pushes, view, now)
            is_ahead = bool(ahead_of(self._context.features.pushes, view, now))
            if age is not None or is_ahead:
                ages[view.online.view, str(view.online.version)] = math.inf if age is None else age / 1e6
        self._context.metrics.show_ages(ages)

    async def _beside(self, call: Callable[[], T]) -> T:
        """Return what a call returns that waits for a database, an object store or a library."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _forever(self, step: Callable[[], Awaitable[None]], every_s: float, first_s: float = 0.0) -> None:
        await asyncio.sleep(first_s)
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 (a fault of ours in one look must not end all later ones)
                self._context.journal.fault(error)
            await asyncio.sleep(every_s)


def _are_one(state: State, known: State) -> bool:
    """Return whether a state of the registry is the one that is known, and not that of another one in its place.

    One that was restored from before the last changes, and got others then, has the same serial and other contents.
    """
    is_same = (state.registry_id, state.serial) == (known.registry_id, known.serial)
    return is_same and (state == known or state.digest() == known.digest())


def _read_by(pushed: Pushed) -> Mapping[VersionKey, object]:
    """Return what of the last pushes decides which versions are served, and how they are read."""
    return {place: _kind(record) for place, record in pushed.items()}


def _kind(record: LastPush) -> object:
    return dict(record.columns) if isinstance(record, PushRecord) else record is not None
