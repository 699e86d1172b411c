"""A rebuild says every few seconds that it goes on, so that the lists of one that was killed are known and removed.

It says so in the online store, by the clock of the store: where a view has the record of its last push, under a name
that no view has. Lists of which nobody ever said so are left alone. A rebuild that slept, and whose lists were removed
meanwhile, finds them given up, and makes others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import from_us, instant_us
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import OnlineView, PushRecord
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.row_places import online_view
from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.workspace.workspace import Workspace

_BEAT_S: Final = 10.0
_LEASE_US: Final = 120_000_000


class RebuildLeases:
    """The leases of rebuilds of the views of a source, by `view@version`; for any thread."""

    def __init__(self, workspace: Workspace, views: Mapping[str, FeatureView], source: str) -> None:
        self._workspace, self._views = workspace, views
        self._place = StreamSource(project=workspace.project, env=workspace.environment.name, source=source)

    def say(self, generation: Generation) -> None:
        """Say that a rebuild goes on.

        Raises:
            StoreError: the store fails.
        """
        with closing(self._workspace.stream_state()) as state:
            now = from_us(state.read_register(self._place).clock_us)
        record = PushRecord(
            computed_at=now, watermark=None, newest_event=None, table_version=0, entities=0, rebuild_id=generation.id
        )
        with closing(self._workspace.online_handle()) as store:
            store.write_push_record(self._record_place(generation), record)

    def has_ended(self, generation: Generation, clock_us: int) -> bool:
        """Return whether a rebuild has said that it goes on, and has not for so long that it was killed.

        Raises:
            StoreError: the store fails.
        """
        if generation.view not in self._views:
            return False
        try:
            with closing(self._workspace.online_handle()) as store:
                record = store.read_push_record(self._record_place(generation))
        except BrokenRecordError:
            return False
        if record is None or record.rebuild_id != generation.id:
            return False
        return instant_us(record.computed_at) + _LEASE_US < clock_us

    @contextmanager
    def held(self, generation: Generation) -> Iterator[None]:
        """Say every few seconds that a rebuild goes on, until this ends; what can't be said now is said later."""
        ends = threading.Event()

        def beat() -> None:
            while not ends.wait(_BEAT_S):
                with suppress(FeaturectlError):
                    self.say(generation)

        with suppress(FeaturectlError):
            self.say(generation)
        thread = threading.Thread(target=beat, name="lease of a rebuild", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()

    def _record_place(self, generation: Generation) -> OnlineView:
        view, version = self._views[generation.view], int(generation.view.rpartition("@")[2])
        place = online_view(view, version, self._workspace.project, self._workspace.environment.name)
        return replace(place, view=f"rebuild:{place.view}")
