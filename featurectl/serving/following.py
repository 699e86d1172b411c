"""A server follows its registry and its online store: what is applied, trained, promoted and pushed is taken up.

Nothing here is waited for by a request: the registry and the files of models are read in a thread of their own, and as
long as one of them, or the store, is away, what is served goes on being served.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.units import format_iso
from featurectl.online.base import PushRecord
from featurectl.online.broken import BrokenRecordError
from featurectl.online.pushed import LastPush, Place, Pushed, current_places, is_event_view, read_pushed_async
from featurectl.registry.state import State
from featurectl.serving.changes import report_begin, report_changes, report_reached
from featurectl.serving.journal import Level
from featurectl.serving.readiness import served_views
from featurectl.serving.served_project import ServedProject
from featurectl.serving.thread import OneThread

if TYPE_CHECKING:
    from featurectl.serving.server import ProjectSource, Server

T = TypeVar("T")


class Follower:
    """What a server serves at the moment, and the tasks that keep it up.

    `served` is None until all of it is loaded; `starting` says what it waits for then. `behind` says why the registry
    could not be followed the last time, `lost` why the online store could not be read.
    """

    def __init__(self, server: Server, source: ProjectSource) -> None:
        self.served: ServedProject | None = None
        self.looked = asyncio.Event()  # what is served is loaded, or it is known why not
        self.starting = "models are being loaded"
        self.behind = ""
        self.lost = ""
        self._server = server
        self._source = source
        self._thread = OneThread("follow")
        self._tasks: list[asyncio.Task[None]] = []
        self._one_at_once = asyncio.Lock()  # of two looks at once, that which began first could end last

    def start(self) -> None:
        """Begin to load, then to follow, and to judge canaries."""
        settings, loop = self._server.settings, asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._forever(self._judge, settings.judge_s, settings.judge_s)))
        self._tasks.append(loop.create_task(self._forever(self.follow_registry, settings.reload_s)))
        self._tasks.append(loop.create_task(self._forever(self._follow_pushes, settings.reload_s, settings.reload_s)))

    async def stop(self) -> None:
        """Follow no more; what is being loaded is left alone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look_at_pushes(self, state: State) -> Pushed:
        """Return the last pushes of a project's views, for whoever reads them, too.

        Raises:
            StoreError: the store fails.
        """
        features, at_s = self._server.features, time.monotonic()
        try:
            pushed = await read_pushed_async(features.store, state, self._source.environment, current_places(state))
        except StoreError as error:
            self.lost = error.message
            self._server.journal.begin("store_lost", error.message)
            raise
        self.lost = ""
        self._server.journal.end("store_lost", "store_back")
        for (name, version), record in pushed.items():
            if isinstance(record, BrokenRecordError):
                self._server.journal.begin("push_record_broken", record.message, of=f"{name}@{version}")
            else:
                self._server.journal.end("push_record_broken", "push_record_mended", of=f"{name}@{version}")
        features.pushes.take(state.project, self._source.environment, pushed, at_s)
        self._tell_ahead(state, pushed)
        return pushed

    def _tell_ahead(self, state: State, pushed: Pushed) -> None:
        """Tell which views were pushed as of later than this clock, an error of those that are refused, and the end."""
        latest = self._server.features.latest()
        for (name, version), record in pushed.items():
            label = f"{name}@{version}"
            if latest is not None and isinstance(record, PushRecord) and record.computed_at > latest:
                message = f"{label} was pushed as of {format_iso(record.computed_at)}, which this clock has not reached"
                level: Level = "error" if is_event_view(state, (name, version)) else "warning"
                self._server.journal.begin("pushed_ahead", message, level, of=label)
            else:
                self._server.journal.end("pushed_ahead", "no_more_ahead", of=label)

    async def follow_registry(self) -> None:
        """Serve what was applied, trained or promoted since; requests under way end with what they began with."""
        async with self._one_at_once:
            try:
                await self._take_up(await self._beside(self._source.state))
            except Exception as error:  # noqa: BLE001 (whatever fails, what is served goes on being served)
                self._tell_behind(error)
            else:
                self.behind = ""
                self._server.journal.end("registry_lost", "registry_back")
            finally:
                self.looked.set()

    async def _take_up(self, state: State) -> None:
        served = self.served
        if served is not None and _are_one(state, served.catalog.state):
            before = dict(served.failures)
            if await self._beside(served.reach_again):
                report_reached(self._server.journal, before, served)
                self._show_models()
            return
        try:
            pushed = await self.look_at_pushes(state)
        except StoreError as error:
            self.starting = f"online store: {error.message}"
            return
        await self._load(state, pushed)

    async def _follow_pushes(self) -> None:
        """Serve by their names what was pushed since, and tell how old it is."""
        async with self._one_at_once:
            served = self.served
            if served is None:
                return
            try:
                pushed = await self.look_at_pushes(served.catalog.state)
            except StoreError:  # whoever reads is told
                return
            if _read_by(pushed) != _read_by(served.catalog.pushed):
                await self._load(served.catalog.state, pushed)
            self._show_ages()

    async def _load(self, state: State, pushed: Pushed) -> None:
        before = self.served
        self.served = await self._beside(lambda: self._source.load(state, pushed, before))
        if before is None:
            # What is there by now stays: it need not be looked at again, and seldom what comes.
            gc.collect()
            gc.freeze()
            gc.set_threshold(100_000, 50, 1_000)
            report_begin(self._server.journal, self.served)
        else:
            self._server.metrics.reloads.labels("done").inc()
            report_changes(self._server.journal, before, self.served)
        self._show_models()
        self._show_ages()

    async def _judge(self) -> None:
        """Judge the canaries that run; when one has ended, serve what that means at once."""
        served = self.served
        if served is None or all(run.state != "running" for run in served.catalog.state.canaries):
            return
        try:
            ended = await asyncio.to_thread(self._source.judge, served.failures)
        except FeaturectlError as error:
            self._server.journal.begin("canary_not_judged", error.message, "warning")
        else:
            self._server.journal.end("canary_not_judged", "canary_judged")
            if ended:
                await self.follow_registry()

    def _tell_behind(self, error: Exception) -> None:
        self._server.metrics.reloads.labels("failed").inc()
        self.behind = error.message if isinstance(error, FeaturectlError) else repr(error)
        self.starting = f"registry: {self.behind}"
        self._server.journal.begin("registry_lost", self.behind)

    def _show_models(self) -> None:
        assert self.served is not None
        aliases = self.served.catalog.state.aliases.items()
        shown = {(model, str(n), alias): int((model, n) in self.served.models) for (model, alias), n in aliases}
        self._server.metrics.show_models(shown)

    def _show_ages(self) -> None:
        now, ages = self._server.features.now(), dict[tuple[str, str], float]()
        for view in served_views(self._server.served):
            age = self._server.age_us(view, now)
            if age is not None:
                ages[view.online.view, str(view.online.version)] = age / 1e6
        self._server.metrics.show_ages(ages)

    async def _beside(self, call: Callable[[], T]) -> T:
        """Return what a call returns that waits for a database, an object store or a library."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _forever(self, step: Callable[[], Awaitable[None]], every_s: float, first_s: float = 0.0) -> None:
        await asyncio.sleep(first_s)
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 (a fault of ours in one look must not end all later ones)
                self._server.journal.fault(error)
            await asyncio.sleep(every_s)


def _are_one(state: State, known: State) -> bool:
    """Return whether a state of the registry is the one that is known, and not that of another one in its place.

    One that was restored from before the last changes, and got others then, has the same serial and other contents.
    """
    is_same = (state.registry_id, state.serial) == (known.registry_id, known.serial)
    return is_same and (state == known or state.digest() == known.digest())


def _read_by(pushed: Pushed) -> Mapping[Place, object]:
    """Return what of the last pushes decides which versions are served, and how they are read."""
    return {place: _kind(record) for place, record in pushed.items()}


def _kind(record: LastPush) -> object:
    return dict(record.columns) if isinstance(record, PushRecord) else record is not None
