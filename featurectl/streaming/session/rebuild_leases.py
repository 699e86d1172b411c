"""A rebuild says as it begins and every few seconds that it goes on: lists of one that was killed are known and go.

It says so in the online store, by the clock of the store: where a view has the record of its last push, under a name
that no view has. Lists of which nobody ever said so are left alone. A rebuild that slept, and whose lists were removed
meanwhile, finds them given up, and makes others. While one goes on, others of the view are refused: each would give up
the lists that the other one makes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Final

from featurectl.core.errors import FeaturectlError, RunningError
from featurectl.core.units import SECOND_US, from_us, instant_us
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import OnlineView, PushRecord
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.list_marks import rebuilt_lists
from featurectl.online.row_places import online_view
from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.workspace.workspace import Workspace

_BEAT_S: Final = 10.0
_LEASE_US: Final = 120_000_000
_ALIVE_US: Final = 30_000_000  # who has been silent for longer may have been killed, and is in nobody's way


class RebuildLeases:
    """The leases of rebuilds of the views of a source, by `view@version`; for any thread."""

    def __init__(self, workspace: Workspace, views: Mapping[str, FeatureView], source: str) -> None:
        self._workspace, self._views = workspace, views
        self._place = StreamSource(project=workspace.project, env=workspace.environment.name, source=source)

    def say(self, generation: Generation) -> None:
        """Say that a rebuild goes on; nothing is said of one whose lists were given up.

        Raises:
            StoreError: the store fails.
        """
        with closing(self._workspace.stream_state()) as state:
            register = state.read_register(self._place)
        if generation in register.named():
            self._write(generation, register.clock_us)

    def announce(self, generation: Generation) -> None:
        """Say that a rebuild goes on which has not named its lists yet: of one that is killed then they are known.

        What another one has said, that was killed and whose lists would not be known any more, goes with its lists.

        Raises:
            StoreError: the store fails.
        """
        for silent in self._unread(generation.view):
            if self._said_us(silent) is not None:
                with (
                    closing(self._workspace.stream_state()) as state,
                    closing(state.connect(self._place)) as connection,
                ):
                    if connection.generations.drop_unread(silent):
                        state.drop_lists(self._place, silent)
        with closing(self._workspace.stream_state()) as state:
            clock_us = state.read_register(self._place).clock_us
        self._write(generation, clock_us)

    def _write(self, generation: Generation, clock_us: int) -> None:
        now = from_us(clock_us)
        record = PushRecord(
            computed_at=now, watermark=None, newest_event=None, table_version=0, entities=0, rebuild_id=generation.id
        )
        with closing(self._workspace.online_handle()) as store:
            store.write_push_record(self._record_place(generation), record)

    def forget(self, generation: Generation) -> None:
        """Forget what a rebuild has said that has ended; what another one has said stays.

        Of another that says so at this moment it may be forgotten, too: it says so again in some seconds.

        Raises:
            StoreError: the store fails.
        """
        if self._said_us(generation) is not None:
            with closing(self._workspace.online_handle()) as store:
                store.remove_record(self._record_place(generation))

    def has_ended(self, generation: Generation, clock_us: int) -> bool:
        """Return whether a rebuild has said that it goes on, and has not for so long that it was killed.

        Raises:
            StoreError: the store fails.
        """
        if generation.view not in self._views:
            return False
        said_us = self._said_us(generation)
        return said_us is not None and said_us + _LEASE_US < clock_us

    def check_alone(self, view: str) -> None:
        """Check that no rebuild of a view, `view@version`, goes on.

        Raises:
            RunningError: one does, or was killed less than half a minute ago.
            StoreError: the store fails.
        """
        for generation in self._unread(view):
            said_us = self._said_us(generation)
            with closing(self._workspace.stream_state()) as state:
                clock_us = state.read_register(self._place).clock_us
            if said_us is not None and abs(clock_us - said_us) < _ALIVE_US:
                status = f"featurectl stream status {self._place.source}"
                hint = (
                    f"wait until it has ended, or, where it was killed, for {_ALIVE_US // SECOND_US} s; {status} tells"
                )
                raise RunningError(f"another rebuild makes lists of {view} already", hint=hint)

    def _unread(self, view: str) -> list[Generation]:
        """Return the lists of a view that are written and not read yet."""
        with closing(self._workspace.stream_state()) as state:
            register = state.read_register(self._place)
        return [each for each in register.named() if each.view == view and each != register.live(view)]

    def _said_us(self, generation: Generation) -> int | None:
        """Return when a rebuild said last that it goes on; None where it never has."""
        try:
            with closing(self._workspace.online_handle()) as store:
                record = store.read_push_record(self._record_place(generation))
        except BrokenRecordError:
            return None
        return None if record is None or record.rebuild_id != generation.id else instant_us(record.computed_at)

    @contextmanager
    def held(self, generation: Generation) -> Iterator[None]:
        """Say that a rebuild goes on, now and every few seconds until this ends; what can't be said then is said later.

        Raises:
            StoreError: it can't be said now.
        """
        ends = threading.Event()

        def beat() -> None:
            while not ends.wait(_BEAT_S):
                with suppress(FeaturectlError):
                    self.say(generation)

        self.announce(generation)
        thread = threading.Thread(target=beat, name="lease of a rebuild", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()

    def _record_place(self, generation: Generation) -> OnlineView:
        view, version = self._views[generation.view], int(generation.view.rpartition("@")[2])
        return rebuilt_lists(online_view(view, version, self._workspace.project, self._workspace.environment.name))
