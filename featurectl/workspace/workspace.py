"""The one place that turns names in configuration into adapters; each is imported when it is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from featurectl.core.drivers import SQLITE_URL
from featurectl.core.errors import (
    CheckFailedError,
)
from featurectl.core.variables import expand, shown_location
from featurectl.language.repo import Environment, Repo

if TYPE_CHECKING:
    from featurectl.core.erasures import Erasures
    from featurectl.language.data_roots import DataRoots
    from featurectl.language.definitions.source import Source
    from featurectl.offline.base import OfflineStore
    from featurectl.offline.event_log import EventLog
    from featurectl.offline.stream_places import StreamPlaces
    from featurectl.online.all_stores import WriteUnits
    from featurectl.online.base import OnlineStore
    from featurectl.online.request_keys import RequestKeys
    from featurectl.online.stream_state.protocols import AsyncStreamReader, StreamState
    from featurectl.registry.base import Registry
    from featurectl.registry.state import State
    from featurectl.sources.base import OnNaive, SourceReader


@dataclass(kw_only=True)
class Workspace:
    """A valid repository, one of its environments, and that environment's stores, opened when first asked for.

    `now` is the command's one instant, and so is `clock`, the real time, unless `now` was given: by `as_of`, or by the
    environment. `registry_wait_s`: a registry that is silent for so long is given up, as one is that answers nothing.
    `on_wait` hears, in any thread, for whom a registry is waited that others hold.
    Use it as a context manager: leaving it closes what was opened.
    """

    root: Path
    repo: Repo
    environment: Environment
    now: datetime
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: datetime | None = None
    as_of: datetime | None = None
    registry_wait_s: float | None = None
    on_wait: Callable[[str], None] = lambda _: None
    _open: ExitStack = field(default_factory=ExitStack)
    _erasures: Erasures | None = field(default=None, init=False)  # as of when the registry was last read

    @property
    def project(self) -> str:
        """The project's name."""
        return self.repo.project

    @cached_property
    def _registry(self) -> Registry:
        from featurectl.registry.sql import SqlRegistry
        from featurectl.registry.waiting import Patience

        written = self.environment.registry
        patience = Patience(limit_s=self.registry_wait_s, say=lambda who: self.on_wait(who))  # noqa: PLW0108  # of then
        registry = SqlRegistry(self._url(written, "registry"), shown=shown_location(written), patience=patience)
        self._open.callback(registry.close)
        return registry

    def registry(self) -> Registry:
        """Return the environment's registry."""
        return self._registry

    def state(self) -> State:
        """Return the project as the registry knows it now."""
        from featurectl.registry.file import read_state

        found = read_state(file, self.project) if (file := self.registry_file()) else None
        state = self._registry.load_state(self.project) if found is None else found
        self._erasures = state.erasures
        return state

    def erasures(self, at_least: int = 0) -> Erasures:
        """Return what was erased of the project, as it was known when the registry was last read.

        It is read again where the newest number was less than `at_least`.
        """
        if self._erasures is None or self._erasures.number < at_least:
            return self.state().erasures
        return self._erasures

    def erasures_by_now(self) -> Erasures:
        """Return what is erased by now; the registry's state is read again only where another erasure is the newest."""
        from featurectl.registry.file import read_newest_erasure

        newest = read_newest_erasure(file, self.project) if (file := self.registry_file()) else None
        newest = self._registry.newest_erasure(self.project) if newest is None else newest
        if self._erasures is None or self._erasures.number != newest:
            return self.state().erasures
        return self._erasures

    def applied_state(self) -> State:
        """Return the project as the registry knows it now, for a command that works on what is applied.

        Raises:
            CheckFailedError: nothing is: a registry that was lost, or is another, is not to look as if all were well.
        """
        state = self.state()
        if not state.objects:
            raise _nothing_applied(self)
        return state

    def turn_back(self, length: timedelta) -> None:
        """Take an instant as now that is so much earlier, for this machine's clock is that much ahead."""
        self.now -= length
        self.clock = None if self.clock is None else self.now

    def registry_file(self) -> Path | None:
        """Return the SQLite file that is the registry; None where it is none, or is to be opened in a special way."""
        url = self._url(self.environment.registry, "registry")
        plain = url.startswith(SQLITE_URL) and "?" not in url
        return Path(url.removeprefix(SQLITE_URL)) if plain else None

    @cached_property
    def _offline(self) -> OfflineStore:
        from featurectl.offline.delta import DeltaStore

        shown = shown_location(self.environment.offline)
        return DeltaStore(self.offline_location(), self.project, shown=shown, known_erasures=self.erasures)

    def offline(self) -> OfflineStore:
        """Return the environment's offline store."""
        return self._offline

    def offline_location(self) -> str:
        """Return the folder or object-store URL of the offline store, expanded and absolute."""
        location = expand(self.environment.offline, self.environ, f"environment {self.environment.name}: offline")
        return location if "://" in location else str((self.root / location).absolute())

    @cached_property
    def _online(self) -> OnlineStore:
        store = self.online_handle()
        self._open.callback(store.close)
        return store

    def online_handle(self) -> OnlineStore:
        """Return the environment's online store, a new handle each time, for a thread of its own."""
        from featurectl.online.all_stores import open_online

        written = self.environment.online
        return open_online(self._url(written, "online"), shown_location(written))

    def check_keeps_streams(self) -> None:
        """Do nothing where the online store keeps the state of streams, or no view of a stream is online.

        Raises:
            UsageError: it keeps none, and a view needs it.
        """
        if any(view.online and view.source.is_stream for view in self.repo.views.values()):
            from featurectl.online.all_stores import check_keeps_streams

            written = self.environment.online
            check_keeps_streams(self._url(written, "online"), shown_location(written))

    def write_units(self) -> WriteUnits | None:
        """Return how many write units a row costs in the online store; None: it takes no money for writes.

        Raises:
            UsageError: a variable of its URL is not set.
        """
        from featurectl.online.all_stores import write_units

        return write_units(self._url(self.environment.online, "online"))

    def online(self) -> OnlineStore:
        """Return the environment's online store."""
        return self._online

    @cached_property
    def _stream_reader(self) -> StreamState:
        state = self.stream_state()
        self._open.callback(state.close)
        return state

    def stream_reader(self) -> StreamState:
        """Return what reads the state of streams in the environment's online store; it is closed with all else."""
        return self._stream_reader

    def async_reader(self, budget_s: float) -> AsyncStreamReader:
        """Return a reader of the online store for one event loop; the store answers within so many seconds."""
        from featurectl.online.all_stores import open_async_stream_reader

        self.online()  # what can't be opened is an error of this
        written = self.environment.online
        return open_async_stream_reader(self._url(written, "online"), shown_location(written), budget_s)

    def request_keys(self, limit_s: float) -> RequestKeys:
        """Return the keys of requests in the environment's online store, a new handle each time.

        Raises:
            UsageError: the store can't be opened.
        """
        from featurectl.online.all_stores import open_request_keys

        written = self.environment.online
        return open_request_keys(self._url(written, "online"), shown_location(written), limit_s)

    def topic_url(self, source: Source) -> str:
        """Return the URL of where the topic of a stream lies, expanded, a SQLite path absolute.

        Raises:
            UsageError: nothing says where that is, or a variable is not set.
        """
        from featurectl.language.stream_places import topic_address

        written = topic_address(source, self.environment)
        own = source.stream is not None and source.stream.url == written
        where = f"source {source.name}: stream.url" if own else f"environment {self.environment.name}: streams"
        return self.location(written, where)

    def spill_folder(self) -> Path:
        """Return where rows may lie that do not fit into memory."""
        from featurectl.engines.spill import spill_folder

        return spill_folder(self.root)

    def source(self, source: Source, on_naive: OnNaive | None = None) -> SourceReader:
        """Return the reader of a source; `on_naive` is given the columns read that have no time zone."""
        from featurectl.sources.open import open_source

        if source.is_stream:
            from featurectl.workspace.event_reader import EventSourceReader

            history = None if source.history is None else self.source(source.history, on_naive)
            return EventSourceReader(source=source, log=self.event_log(source), history=history)
        return open_source(source, self.root, on_naive, self._data_roots(source))

    def event_log(self, source: Source) -> EventLog:
        """Return the log of a stream's source; nothing is read yet."""
        from featurectl.offline.event_log import EventLog

        place = self._stream_places().log(source.name)
        return EventLog(location=place.location, columns=source.columns or {}, shown=place.shown)

    def rejected_log(self, source: Source) -> EventLog:
        """Return the table of the events of a stream's source that workers rejected; nothing is read yet."""
        from featurectl.offline.event_log import REJECTED_COLUMNS, EventLog

        place = self._stream_places().rejected(source.name)
        return EventLog(location=place.location, columns=REJECTED_COLUMNS, shown=place.shown)

    def _stream_places(self) -> StreamPlaces:
        from featurectl.offline.stream_places import StreamPlaces

        return StreamPlaces(
            offline=self.offline_location(),
            project=self.project,
            environment=self.environment.name,
            shown=shown_location(self.environment.offline),
        )

    def stream_state(self) -> StreamState:
        """Return the state of streams in the environment's online store, a new handle each time.

        Raises:
            UsageError: a store of its kind keeps none.
        """
        from featurectl.online.all_stores import open_stream_state

        written = self.environment.online
        return open_stream_state(self._url(written, "online"), shown_location(written))

    def _data_roots(self, source: Source) -> DataRoots:
        """Return where a source may read outside of the repository; a file that the command line names, anywhere."""
        from featurectl.language.data_roots import DataRoots
        from featurectl.language.definitions.source import CommandLineFile

        folders = (source.path,) if isinstance(source, CommandLineFile) else self.environment.data_roots
        return DataRoots(folders=folders, environment=self.environment.name, environ=self.environ)

    def _url(self, text: str, key: str) -> str:
        """Return a store's URL with its variables filled in and a relative SQLite path made absolute."""
        return self.location(text, f"environment {self.environment.name}: {key}")

    def location(self, text: str, where: str) -> str:
        """Return a text of an environment with its variables filled in, a SQLite path absolute; `where` is its place.

        Raises:
            UsageError: a variable is not set.
        """
        url = expand(text, self.environ, where)
        if not url.startswith(SQLITE_URL):
            return url
        path = (self.root / url.removeprefix(SQLITE_URL)).absolute()
        return f"{SQLITE_URL}{path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


def _nothing_applied(workspace: Workspace) -> CheckFailedError:
    name, shown = workspace.environment.name, shown_location(workspace.environment.registry)
    option = "" if name == next(iter(workspace.repo.environments)) else f" --env {name}"
    return CheckFailedError(
        f"nothing is applied of project {workspace.project} in {name}: the registry {shown} holds nothing of it",
        hint=f"featurectl apply{option}; if it was applied before, this is another registry or project name",
    )
